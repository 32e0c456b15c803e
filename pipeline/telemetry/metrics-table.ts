/** Every metric that Windback exposes, with its meaning. Names are the Collector's with our prefix. */
export const METRICS: Readonly<Record<string, string>> = {
  windback_receiver_accepted_items_total: 'Spans, data points and log records that a receiver took responsibility for.',
  windback_receiver_refused_items_total: 'Items that a receiver refused, by reason (a code of docs/errors.md).',
  windback_receiver_failed_handshakes_total:
    'TLS handshakes that failed, by listener (transport): clients that were not let in.',
  windback_receiver_refused_requests_total:
    'Requests that were refused before their items could be counted, by reason.',
  windback_pipeline_received_items_total:
    'Items that came to a pipeline: accepted, refused, or still under way (the caller waits for the answer).',
  windback_pipeline_accepted_items_total: 'Items that a pipeline took responsibility for.',
  windback_pipeline_refused_items_total:
    'Items that a pipeline did not take, by reason (a code of docs/errors.md); whoever sent them was told.',
  windback_pipeline_handed_items_total: 'Items that came out of a pipeline: all of its exporters have accepted them.',
  windback_processor_incoming_items_total: 'Items that a processor of a pipeline has taken.',
  windback_processor_outgoing_items_total: 'Items that were taken behind a processor of a pipeline.',
  windback_processor_filtered_items_total: 'Items that a processor left out on purpose, by reason.',
  windback_processor_consumed_items_total: 'Items that end in a processor, since it makes another signal of them.',
  windback_processor_held_items: 'Items inside a processor that have not been answered: they wait, as in batch.',
  windback_processor_refused_items_total:
    'Items that a processor refused, by reason (a code of docs/errors.md); the caller still has them.',
  windback_processor_dropped_items_total:
    'Items that a processor made and nobody behind it took, by reason: there is nobody to send them again.',
  windback_processor_batch_flushes_total: 'Batches that the batch processor sent on, by what triggered them.',
  windback_memory_limiter_bytes: 'Resident memory that the memory limiter compares with its limit.',
  windback_redaction_removed_attributes_total:
    'Attributes, and entries of maps, removed since their key is not allowed.',
  windback_redaction_masked_values_total:
    'Values, bodies, names and messages that were masked, in whole or in part, by key or by what they say.',
  windback_deployment_resources_total: 'Resources tagged, by the source of their version (unknown: none was found).',
  windback_deployment_cached_resources: 'Distinct resources whose tag is cached.',
  windback_health_folded_items_total: 'Items that entered the health deltas, by signal.',
  windback_health_ignored_items_total: 'Items that did not enter the health deltas, by signal and reason.',
  windback_health_custom_errors_total:
    'Conditions of custom indicators that could not be told, by indicator, condition (where, bad) and reason.',
  windback_health_deltas_total: 'Health deltas handed on.',
  windback_health_unsent_items:
    'Items that are folded, and whose deltas have not been taken yet: what the loss of the process, or of an ingest worker, would lose.',
  windback_health_series: 'Series folded since the last flush.',
  windback_health_pending_calls: 'Calls that wait for the end of the request that made them.',
  windback_health_dropped_calls_total: 'Calls that were not joined to a request, by reason.',
  windback_health_score: 'Score of a version over a window: 100 is perfect, 50 burns the whole budget.',
  windback_verdict_late_events_total:
    'Events that came after the block of their time was judged; they count in windows only.',
  windback_verdict_cohorts: 'Cohorts with open windows.',
  windback_verdict_rollouts: 'Rollouts under way.',
  windback_verdict_decisions_total: 'Decisions taken, by kind.',
  windback_verdict_recoveries_total:
    'What became of services after a rollback, by outcome: recovered or not_recovered.',
  windback_verdict_overflow_total:
    'How often the judge left something out, or put it together with others, because a limit was reached; by limit: services, versions, instances, operations, callees, signatures, metrics, sources, events, future, roles.',
  windback_exporter_incoming_items_total:
    'Items that a pipeline handed to an exporter and that all exporters of the pipeline accepted.',
  windback_exporter_repeated_items_total:
    'Items that an exporter accepted while another one of the pipeline refused them: they are sent again, and come twice.',
  windback_exporter_accepted_items_total:
    'Items that an exporter took responsibility for: they entered its sending queue, or were delivered where it has none.',
  windback_exporter_restored_items_total: 'Items that the process before had left in the queue on disk.',
  windback_exporter_sent_items_total: 'Items delivered to the destination.',
  windback_exporter_send_failed_items_total:
    'Attempts that failed, in items, by reason; a retryable one is tried again.',
  windback_exporter_dropped_items_total:
    'Items given up, by reason: the destination refused them for good, or the process stopped first.',
  windback_exporter_kept_items_total: 'Items that stay in the queue on disk as the process stops.',
  windback_exporter_refused_items_total:
    'Items that an exporter did not accept, by reason: its queue was full, or it has none and could not deliver.',
  windback_exporter_queue_size: 'Batches waiting or under way.',
  windback_exporter_queue_items: 'Items waiting or under way, of each pipeline.',
  windback_exporter_queue_kept_items: 'Of these, items that lie on disk: the loss of the process would not lose them.',
  windback_exporter_queue_capacity: 'What the queue can hold, in what its sizer counts.',
  windback_exporter_queue_used: 'What of the capacity is taken, in the same unit.',
  windback_exporter_queue_disk_bytes: 'Size of the files of the queue on disk.',
  windback_worker_threads: 'Ingest workers that receive telemetry; none where everything runs in one thread.',
  windback_worker_received_items_total:
    'Items that the receivers of an ingest worker took responsibility for, by worker.',
  windback_worker_busy_ratio:
    'Share of the last second in which the event loop of an ingest worker was busy, by worker.',
  windback_worker_lost_total: 'Ingest workers that ended by themselves, by reason; each is started again.',
  windback_worker_shed_connections_total:
    'Connections that an ingest worker asked to come again elsewhere, since it had more than its share.',
  windback_config_reloads_total:
    'Reloads of the configuration, by outcome: applied, unchanged, invalid, needs_restart, or failed where something could not start; after the last three the old one goes on.',
  windback_config_last_reload_success_timestamp_seconds:
    'When the configuration that runs was last found to be that of its sources: at the start, or at a reload that was applied or changed nothing.',
  windback_config_info:
    'Always 1; its label tells the configuration that runs: the first 16 digits of the SHA-256 of what windback print-config prints.',
  windback_process_uptime_seconds: 'Seconds since the process started.',
  windback_process_memory_rss_bytes: 'Resident memory of the process.',
  windback_process_cpu_seconds_total: 'User and system CPU time of the process.',
};

/** Gauges of which every thread measures the same thing: the largest counts, not the sum. */
export const UNADDABLE: ReadonlySet<string> = new Set(['windback_memory_limiter_bytes']);

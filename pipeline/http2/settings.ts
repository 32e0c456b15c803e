import { ERROR, FRAME_BYTES_MAX, FRAME_SIZE_LIMIT, Http2Error, SETTING, WINDOW_BYTES_MAX } from './protocol.ts';

/** What a peer's SETTINGS said of what matters to us; undefined where it said nothing. */
export interface PeerSettings {
  initialWindowSize?: number;
  maxFrameSize?: number;
  maxConcurrentStreams?: number;
}

/** Reads the payload of a SETTINGS frame (RFC 9113, 6.5): identifier 2 bytes, value 4 bytes. Throws `Http2Error`. */
export function readSettings(payload: Buffer, start: number, end: number): PeerSettings {
  const settings: PeerSettings = {};
  for (let pos = start; pos < end; pos += 6) {
    const value = payload.readUInt32BE(pos + 2);
    switch (payload.readUInt16BE(pos)) {
      case SETTING.enablePush:
        if (value > 1) throw new Http2Error(ERROR.protocol, `SETTINGS_ENABLE_PUSH is ${value}`);
        break;
      case SETTING.initialWindowSize:
        if (value > WINDOW_BYTES_MAX)
          throw new Http2Error(ERROR.flowControl, `SETTINGS_INITIAL_WINDOW_SIZE is ${value}`);
        settings.initialWindowSize = value;
        break;
      case SETTING.maxFrameSize:
        if (value < FRAME_BYTES_MAX || value > FRAME_SIZE_LIMIT)
          throw new Http2Error(ERROR.protocol, `SETTINGS_MAX_FRAME_SIZE is ${value}`);
        settings.maxFrameSize = value;
        break;
      case SETTING.maxConcurrentStreams:
        settings.maxConcurrentStreams = value;
        break;
      default:
      // The size of our header table does not matter, for our blocks leave it alone; others are not known.
    }
  }
  return settings;
}

from opentelemetry.sdk.resources import Resource

# A value of every kind, and the edges of each.
EVERY_VALUE = {
    "text": "GET /basket",
    "text.empty": "",
    "text.unicode": 'grüße, 世界 🌍 "quoted" \\ \n\t\0',
    "text.long": "x" * 20_000,
    "int": 42,
    "int.zero": 0,
    "int.negative": -7,
    "int.max": 2**63 - 1,
    "int.min": -(2**63),
    "int.beyond_double": 2**53 + 1,
    "double": 0.1,
    "double.whole": 3.0,
    "double.small": 5e-324,
    "double.large": 1.7976931348623157e308,
    "double.nan": float("nan"),
    "double.infinite": float("inf"),
    "double.negative_infinite": float("-inf"),
    "true": True,
    "false": False,
    "list.texts": ["a", "", "c"],
    "list.ints": [1, -2, 0, 2**62],
    "list.doubles": [0.5, 1.0],
    "list.booleans": [True, False],
    "list.empty": [],
    "list.mixed": ["a", 1, 2.5, True, None, ["nested"], {"in": "a map"}],
    "map": {"text": "a", "int": 1, "deep": {"deeper": {"deepest": [{"a": 1}, {"b": [2]}]}}},
    "map.empty": {},
    "bytes": bytes([0, 1, 127, 128, 255]),
    "bytes.empty": b"",
    "nothing": None,
    "key with spaces, ünïcode": "yes",
}

SIMPLE_VALUES = {"text": "GET /basket", "int": 3, "double": 0.25, "boolean": False, "list.texts": ["a", "b"]}

SCHEMA_URL = "https://opentelemetry.io/schemas/1.36.0"

SERVICE = {"service.name": "basket", "service.namespace": "shop", "service.instance.id": "basket-7d9-1"}

VERSIONED = Resource.create({**SERVICE, "service.version": "1.4.2", "process.command_args": ["a", "b"]}, SCHEMA_URL)
UNVERSIONED = Resource(SERVICE)


def ordinary(i):
    """With these an item is about as large as in real life, and unlike every other."""
    return {
        "http.request.method": "GET",
        "http.route": "/basket/:id",
        "http.response.status_code": 500 if i % 7 == 0 else 200,
        "url.path": f"/basket/{i}",
        "server.address": "basket.shop.example",
        "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "n": i,
    }

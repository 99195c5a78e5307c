"""The one place that knows which broker carries nudges: Redis, or this very process."""

from typing import Any

import dramatiq
from django.conf import settings
from django.db import close_old_connections
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker
from redis.exceptions import RedisError


class FreshConnections(dramatiq.Middleware):
    """Give back broken database connections around each message, as Django does per request."""

    def before_process_message(self, broker: dramatiq.Broker, message: Any) -> None:
        close_old_connections()

    def after_process_message(
        self, broker: dramatiq.Broker, message: Any, *, result: Any = None, exception: Any = None
    ) -> None:
        close_old_connections()


def install() -> dramatiq.Broker:
    """Create the broker that the settings ask for and make it dramatiq's own."""
    broker: dramatiq.Broker
    if settings.REDIS_URL:
        broker = RedisBroker(
            url=settings.REDIS_URL,
            namespace=f"{settings.CACHES['shared']['KEY_PREFIX']}-work",
            socket_connect_timeout=1,
        )
    else:
        broker = StubBroker()
    broker.add_middleware(FreshConnections())
    dramatiq.set_broker(broker)
    return broker


def untaken(queue_name: str) -> int:
    """Return how many nudges no worker has taken yet; 0 where the broker does not answer."""
    broker = dramatiq.get_broker()
    if isinstance(broker, StubBroker):
        return broker.queues[queue_name].qsize()
    try:
        return int(broker.client.llen(f"{broker.namespace}:{queue_name}"))  # type: ignore[attr-defined]
    except RedisError:
        return 0

"""docs/library.md"""

import threading

from nbactl.core import Consumer, ConsumerTimings, PulledMessage, Subscription, SystemClock
from nbactl.testing import memory_bus

clock = SystemClock()
bus = memory_bus(clock, "prediction-request", "prediction-request-dead-letter")
bus.create_subscription(Subscription("worker", "prediction-request", "prediction-request-dead-letter"))
predicted: list[str] = []
done = threading.Event()


def predict(message: PulledMessage) -> None:
    predicted.append(message.attributes["player"])
    done.set()


timings = ConsumerTimings(lease=60.0, renew_every=5.0, pull=1.0, pause=1.0, finish=10.0)
consumer = Consumer(bus, "worker", predict, concurrency=4, clock=clock, timings=timings)
consumer.start()
bus.publish("prediction-request", b"{}", {"player": "lukadoncic"})
assert done.wait(10.0)
consumer.close()
assert predicted == ["lukadoncic"]
assert not bus.pull("worker", limit=1, timeout=0.0)

"""Everything of Faust, mode and aiokafka that we override, or that ours only works with, is the code that ours was written against.

A test that fails here after an upgrade says: read the new version of that function, see whether ours (streams/shell: transport,
fetching, groupthread, table, engine, hosting) still does right, and only then take over its new fingerprint (the failure prints it).
"""

import hashlib
import inspect
import textwrap
from importlib import import_module
from typing import Any

import pytest

#: What stands in the way of whom: dotted name -> fingerprint of its source.
OVERRIDDEN = {
    "aiokafka.consumer.fetcher:PartitionRecords.__iter__": "633c27d0e7e8f5e9",
    "aiokafka.consumer.fetcher:PartitionRecords._consumer_record": "71ef61a2eb1ccf56",
    "faust.app.base:App._create_directories": "186705cc5f7b1ee5",
    "faust.app.base:App.on_stop": "e1ddb65966606f01",
    "faust.tables.base:Collection.on_start": "faf8eda401865cd3",
    "faust.tables.manager:TableManager.add": "05d5c4799efbb931",
    "faust.tables.table:Table.on_key_del": "00f4c800db02ee89",
    "faust.tables.table:Table.on_key_set": "a8078aef02cc6c78",
    "faust.transport.consumer:Consumer._drain_messages": "e434fa9f22bd3e34",
    "faust.transport.consumer:Consumer._filter_committable_offsets": "943916bfdc0201f2",
    "faust.transport.consumer:Consumer.ack": "e2f1d0eb81f1a635",
    "faust.transport.consumer:Consumer.on_stop": "df6081c977f3a4cd",
    "faust.transport.consumer:Consumer.on_partitions_revoked": "485f56bda150ff29",
    "faust.transport.consumer:Consumer.perform_seek": "5f206cbe28df6e95",
    "faust.transport.consumer:ConsumerThread.on_partitions_assigned": "4a65389d84a73ec4",
    "faust.transport.consumer:ThreadDelegateConsumer._commit": "fb302e4c45a9b370",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread.__post_init__": "25e6bce38d2dfe11",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread.commit": "130880ad17923d98",
    "faust.transport.drivers.aiokafka:Consumer._new_consumer_thread": "7e16c077370e772a",
    "faust.transport.drivers.aiokafka:Consumer.verify_event_path": "f26e5893055c5aba",
    "faust.transport.utils:DefaultSchedulingStrategy.iterate": "6b6ae2fb9ec1e4c2",
}

#: What calls us, or whom we call although it is private: the order of things that we count on.
RELIED_ON = {
    # When partitions leave: flow stops, queues are cleared; on stop likewise.
    "faust.app.base:App._on_partitions_revoked": "60646ada2adf3a25",
    "faust.app.base:App._stop_consumer": "fabd35b4cbfd17cf",
    # After an assignment: `perform_seek` once, before or after flow resumes; a slow one would end recovery in silence.
    "faust.tables.recovery:Recovery._restart_recovery": "0d177dd21aadcd54",
    "faust.tables.recovery:Recovery._resume_streams": "87f52e7d6566226e",
    "faust.tables.recovery:Recovery.on_recovery_completed": "5d0bc420d5bd907d",
    # A table that has a channel and no changelog is neither subscribed to nor recovered.
    "faust.tables.manager:TableManager._update_channels": "98e04d27ecd20746",
    # Offsets: what `_filter_committable_offsets` says is committed, for partitions that are ours.
    "faust.transport.consumer:Consumer._commit_handler": "95bb4973b79c3e3b",
    "faust.transport.consumer:Consumer._commit_offsets": "36688c00d79e3984",
    "faust.transport.consumer:Consumer._commit_tps": "4f6fd9b00ad222b4",
    "faust.transport.consumer:Consumer.force_commit": "09d6a3005c0affec",
    # The thread: its loop runs while the group waits for the main loop.
    "faust.transport.consumer:ThreadDelegateConsumer.threadsafe_partitions_assigned": "3738ce8482783269",
    "faust.transport.consumer:ThreadDelegateConsumer.threadsafe_partitions_revoked": "c3ed7e6da12b458d",
    "faust.transport.drivers.aiokafka:ConsumerRebalanceListener.on_partitions_assigned": "a5c5389d6c25d54f",
    "faust.transport.drivers.aiokafka:ConsumerRebalanceListener.on_partitions_revoked": "319c2cc5d2a98c1d",
    "faust.transport.drivers.aiokafka:Consumer._to_message": "c49e64adaf1b17cb",
    # What its fetcher does for partitions that have a position and are paused: nothing. How records are unpacked, and where that ends.
    "aiokafka.consumer.fetcher:Fetcher._fetch_requests_routine": "61787c3f7470a33f",
    "aiokafka.consumer.fetcher:Fetcher._get_actions_per_node": "45ceeef2593b8e7b",
    "aiokafka.consumer.fetcher:PartitionRecords.__init__": "6550fa86ebf0fab7",
    "aiokafka.consumer.fetcher:PartitionRecords._unpack_records": "9e73d34e16ff14cc",
    # The producer whose id we use: its sender has the id when it has started, and rests while nobody appends. The client that it and our
    # reader go through.
    "aiokafka.producer.producer:AIOKafkaProducer.start": "c229340520138b3a",
    "aiokafka.producer.sender:Sender.start": "6ccd14186f76db42",
    "aiokafka.producer.sender:Sender._sender_routine": "35018a9f0c28b3b4",
    "aiokafka.client:AIOKafkaClient.bootstrap": "8c1ddef8405e3483",
    "aiokafka.client:AIOKafkaClient.close": "bf91cf78db006306",
    "aiokafka.client:AIOKafkaClient.send": "11ceb9108b16544a",
    "aiokafka.client:AIOKafkaClient.add_topic": "f9e170d1350b24b9",
    "aiokafka.client:AIOKafkaClient.force_metadata_update": "db4c0f4588bb340d",
    "aiokafka.cluster:ClusterMetadata.leader_for_partition": "f2337538636d39c3",
    # Requests of ours: a version is agreed on, `build` makes it, it is encoded once, and says how its answer is read.
    "aiokafka.protocol.api:Request.prepare": "40e76f24ecd32b82",
    "aiokafka.protocol.api:RequestStruct": "4b7b82b980de15c1",
    "aiokafka.protocol.struct:Struct": "e339bba969a4d104",
    "aiokafka.protocol.fetch:FetchRequest": "0e30010d109dcffb",
    "aiokafka.protocol.produce:ProduceRequest": "bafee537157029f1",
    "aiokafka.conn:AIOKafkaConnection.send": "57f6399643020568",
    "aiokafka.conn:AIOKafkaConnection._handle_frame": "6d7c956b1806cf75",
    # The group: partitions are revoked before others get them; a static member does not leave; nobody leaves because nothing is polled.
    "aiokafka.consumer.group_coordinator:GroupCoordinator._heartbeat_routine": "1ca506756771789e",
    "aiokafka.consumer.group_coordinator:GroupCoordinator._maybe_leave_group": "6636dd76c01c32fd",
    "aiokafka.consumer.group_coordinator:GroupCoordinator._on_join_complete": "61b81a92bb83c73e",
    "aiokafka.consumer.group_coordinator:GroupCoordinator._on_join_prepare": "63058b1c13eeec94",
    # How an app ends.
    "mode.services:Service._wait_stopped": "bb168e4ffa16d2ac",
    "mode.services:Service.crash": "9d5b3e7b78318314",
    "mode.services:Service.wait_first": "bcf207456cd851bd",
}


def _fingerprint(name: str) -> str:
    module, _, path = name.partition(":")
    found: Any = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(getattr(found, "fun", found))))
    return hashlib.blake2b(source.encode(), digest_size=8).hexdigest()


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_overridden(name: str) -> None:
    """The library's own version of what we override is the one that we know."""
    assert _fingerprint(name) == OVERRIDDEN[name]


@pytest.mark.parametrize("name", RELIED_ON)
def test_relied_on(name: str) -> None:
    """The library still does what ours counts on."""
    assert _fingerprint(name) == RELIED_ON[name]


def test_the_conductor_hands_messages_on_in_compiled_code() -> None:
    """Faust's conductor and streams are its compiled ones, whose cost per batch was measured."""
    assert import_module("faust.transport.conductor").ConductorHandler is not None
    assert import_module("faust.streams")._CStreamIterator is not None  # None where the extension could not be imported

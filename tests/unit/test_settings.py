"""Configuration: what loads, what is refused, and in which words."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.errors import ConfigError
from streams.settings import Secret, load

CONFIG = Path(__file__).parents[2] / "config"
FILES = ("streams.yaml", "topics.yaml", "catalogue.yaml", "scoring.yaml", "risk.yaml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped files, to be broken."""
    for file in FILES:
        shutil.copy(CONFIG / file, tmp_path / file)
    return tmp_path


def change(folder: Path, file: str, path: str, value: Any) -> None:
    """Sets one value in one file; `path` is dotted, numbers are places in a list. The value `...` takes the field away."""
    content = yaml.load((folder / file).read_text(), yaml.CSafeLoader)
    *way, last = [int(part) if part.isdecimal() else part for part in path.split(".")]
    spot = content
    for part in way:
        spot = spot[part]
    if value is ...:
        del spot[last]
    elif isinstance(spot, list) and last == len(spot):
        spot.append(value)
    else:
        spot[last] = value
    (folder / file).write_text(yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True))


def refused(folder: Path, env: dict[str, str] | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as error:
        load(folder, env or {})
    return error.value


# What loads


@pytest.mark.parametrize(
    ("env", "configured", "place"),
    [
        ({}, None, None),
        ({}, "0.0.0.0:9464", "0.0.0.0:9464"),
        ({"STREAMS_METRICS": "9464"}, None, "127.0.0.1:9464"),
        ({"STREAMS_METRICS": "[::1]:0"}, "127.0.0.1:1", "[::1]:0"),
        ({"STREAMS_METRICS": ""}, "127.0.0.1:1", None),
    ],
)
def test_metrics_are_where_the_environment_says_else_the_file_else_nowhere(
    folder: Path, env: dict[str, str], configured: str | None, place: str | None
) -> None:
    change(folder, "streams.yaml", "observe.metrics", configured)
    assert load(folder, env).observe.metrics == place


def test_a_place_for_metrics_that_is_none_is_named(folder: Path) -> None:
    assert str(refused(folder, {"STREAMS_METRICS": "here"})).startswith("environment: STREAMS_METRICS: must be host:port")
    change(folder, "streams.yaml", "observe.metrics", "::1:9464")
    assert str(refused(folder)).startswith("streams.yaml: observe.metrics: must be host:port")


def test_the_shipped_files_load_with_the_defaults_of_the_environment() -> None:
    settings = load(CONFIG, {"STREAMS_INSTANCE": "w1"})

    assert (settings.broker, settings.redis, settings.instance) == ("127.0.0.1:9092", "redis://127.0.0.1:6379/0", "w1")
    assert settings.kafka.client() == {"security_protocol": "PLAINTEXT"}
    assert settings.kafka.idempotence is True
    assert settings.replication is None
    rules = settings.rules
    assert (rules.app_id, rules.partitions) == ("engagement", 12)
    assert rules.topics.inputs == ("engagement.clickstream.v1", "engagement.campaigns.v1", "engagement.rerouted.v1")
    assert (rules.scoring.bands, rules.scoring.band_names) == ((20.0, 40.0, 60.0, 80.0), ("cold", "cool", "warm", "hot", "core"))
    assert rules.scoring.session_gap_ms == 1_800_000
    assert {entry.name: entry.weight for entry in rules.catalogue.types}["order_completed"] == 10.0


def test_the_shipped_numbers_are_those_of_the_code() -> None:
    """A reader of rules.py and a reader of config/ must not see different defaults."""
    settings = load(CONFIG, {})
    rules = settings.rules
    for struct in (rules.limits, rules.scoring, rules.churn, rules.drop, rules.alerts, rules.emit, rules.topics, settings.worker):
        assert struct == type(struct)()


def test_files_that_a_folder_lacks_are_taken_as_shipped(folder: Path) -> None:
    for file in FILES:
        (folder / file).unlink()
    (folder / "risk.yaml").write_text("churn: {theta_on: 0.4}\n")

    settings = load(folder, {})

    assert settings.rules.churn.theta_on == 0.4
    assert settings.rules.partitions == 12


def test_the_folder_comes_from_the_environment_when_none_is_given(folder: Path) -> None:
    assert load(None, {"STREAMS_CONFIG": str(folder)}).folder == folder


def test_without_a_folder_anywhere_the_shipped_files_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(None, {}).folder.name == "_config"


def test_a_config_folder_right_here_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.rename(folder.parent / "config")
    monkeypatch.chdir(folder.parent)
    assert load(None, {}).folder == Path("config")
    (folder.parent / "config").rename(folder)


def test_equal_content_has_an_equal_version_and_any_change_another(folder: Path) -> None:
    same, shipped = load(folder, {}), load(CONFIG, {"STREAMS_BROKER": "elsewhere:1"})
    assert same.rules.version == shipped.rules.version
    assert len(same.rules.version) == 12
    change(folder, "scoring.yaml", "weights.page_view", 1.25)
    assert load(folder, {}).rules.version != shipped.rules.version


def test_comments_and_order_do_not_change_the_version(folder: Path) -> None:
    before = load(folder, {}).rules.version
    content = yaml.safe_load((folder / "risk.yaml").read_text())
    (folder / "risk.yaml").write_text("# rewritten\n" + yaml.safe_dump(content, sort_keys=True))
    assert load(folder, {}).rules.version == before


def test_partitions_can_be_overridden(folder: Path) -> None:
    assert load(folder, {}, partitions=4).rules.partitions == 4


def test_the_fast_profile_waits_less_and_a_number_of_one_s_own_wins(folder: Path) -> None:
    change(folder, "streams.yaml", "worker.profile", "fast")
    assert load(folder, {}).worker.fetch_max_wait_ms == 5
    change(folder, "streams.yaml", "worker.fetch_max_wait_ms", 7)
    assert load(folder, {}).worker.fetch_max_wait_ms == 7


def test_an_empty_file_is_all_defaults(folder: Path) -> None:
    (folder / "streams.yaml").write_text("# nothing here\n")
    assert load(folder, {}).rules.app_id == "engagement"


# The environment


@pytest.mark.parametrize(
    ("env", "path"),
    [
        ({"STREAMS_BROKER": "kafka"}, "STREAMS_BROKER"),
        ({"STREAMS_BROKER": "kafka:port"}, "STREAMS_BROKER"),
        ({"STREAMS_BROKER": ":9092"}, "STREAMS_BROKER"),
        ({"STREAMS_BROKER": "a:9092,,b:9092"}, "STREAMS_BROKER"),
        ({"STREAMS_BROKER": "a:99999"}, "STREAMS_BROKER"),
        ({"STREAMS_REDIS": "127.0.0.1:6379"}, "STREAMS_REDIS"),
        ({"STREAMS_REDIS": "http://127.0.0.1"}, "STREAMS_REDIS"),
        ({"STREAMS_REDIS": "redis://"}, "STREAMS_REDIS"),
        ({"STREAMS_REDIS": "redis://host:none/0"}, "STREAMS_REDIS"),
        ({"STREAMS_INSTANCE": "a\nb"}, "STREAMS_INSTANCE"),
        ({"STREAMS_INSTANCE": "x" * 201}, "STREAMS_INSTANCE"),
        ({"STREAMS_KAFKA_PASSWORD": "a", "STREAMS_KAFKA_PASSWORD_FILE": "b"}, "STREAMS_KAFKA_PASSWORD"),
        ({"STREAMS_KAFKA_PASSWORD_FILE": "/there/is/no/such/file"}, "STREAMS_KAFKA_PASSWORD_FILE"),
    ],
)
def test_a_wrong_variable_is_named(env: dict[str, str], path: str) -> None:
    error = refused(CONFIG, env)
    assert (error.file, error.path) == ("environment", path)


def test_several_brokers_may_be_given() -> None:
    assert load(CONFIG, {"STREAMS_BROKER": "a:9092, [::1]:9093"}).broker == "a:9092,[::1]:9093"


def test_a_folder_that_is_none_is_refused() -> None:
    assert str(refused(Path("/there/is/no/such/folder"))) == "/there/is/no/such/folder: is not a folder"


def secured(folder: Path, protocol: str = "SASL_PLAINTEXT") -> Path:
    for name, value in (("security_protocol", protocol), ("sasl_mechanism", "SCRAM-SHA-512"), ("sasl_username", "streams")):
        change(folder, "streams.yaml", f"kafka.{name}", value)
    return folder


def test_kafka_s_password_comes_from_a_variable_or_a_file(folder: Path, tmp_path: Path) -> None:
    secured(folder)
    secret = tmp_path / "password"
    secret.write_text("s3cret\n")
    for env in ({"STREAMS_KAFKA_PASSWORD": "s3cret"}, {"STREAMS_KAFKA_PASSWORD_FILE": str(secret)}):
        assert load(folder, env).kafka.client() == {
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": "streams",
            "sasl_plain_password": "s3cret",
        }


def test_a_missing_password_is_said(folder: Path) -> None:
    assert str(refused(secured(folder))) == ("environment: STREAMS_KAFKA_PASSWORD: is needed, because streams.yaml asks for SCRAM-SHA-512")


def test_redis_password_goes_into_the_url_and_nowhere_else() -> None:
    settings = load(CONFIG, {"STREAMS_REDIS": "rediss://app@cache:7000/1", "STREAMS_REDIS_PASSWORD": "p@ss/word"})
    assert settings.redis == "rediss://app:p%40ss%2Fword@cache:7000/1"
    assert settings.redis_place == "cache:7000/1"


def test_what_is_secret_is_not_shown(folder: Path) -> None:
    settings = load(secured(folder), {"STREAMS_KAFKA_PASSWORD": "s3cret", "STREAMS_REDIS": "redis://:s3cret@127.0.0.1:6379/0"})
    shown = f"{settings} {settings!r} {settings.kafka!r} {Secret('s3cret')} {[Secret('s3cret')]}"
    assert "s3cret" not in shown
    assert settings.kafka.password is not None
    assert settings.kafka.password.reveal() == "s3cret"


def test_tls_uses_the_machine_s_authorities_unless_told_otherwise(folder: Path) -> None:
    change(folder, "streams.yaml", "kafka.security_protocol", "SSL")
    options = load(folder, {}).kafka.client()
    assert options["security_protocol"] == "SSL"
    assert options["ssl_context"].check_hostname is True


def test_a_certificate_that_cannot_be_used_is_named(folder: Path) -> None:
    change(folder, "streams.yaml", "kafka.security_protocol", "SSL")
    change(folder, "streams.yaml", "kafka.ssl_cafile", "/there/is/no/such.pem")
    with pytest.raises(ConfigError, match=r"streams\.yaml: kafka: names a certificate or key that cannot be used"):
        load(folder, {}).kafka.client()


# What is refused: file, path of the change, value; then file and path that the error must name

BROKEN: list[tuple[str, str, Any, str]] = [
    # unknown fields, wrong types, missing fields
    ("streams.yaml", "wroker", {}, "wroker"),
    ("streams.yaml", "worker.fetch_min_byte", 1, "worker.fetch_min_byte"),
    ("streams.yaml", "worker.due_limit", "many", "worker.due_limit"),
    ("streams.yaml", "worker.due_limit", 1.5, "worker.due_limit"),
    ("streams.yaml", "worker.due_limit", None, "worker.due_limit"),
    ("streams.yaml", "worker.due_limit", True, "worker.due_limit"),
    ("streams.yaml", "worker", [], "worker"),
    ("streams.yaml", "worker.on_gap", "ignore", "worker.on_gap"),
    ("streams.yaml", "worker.durability", "none", "worker.durability"),
    ("streams.yaml", "worker.profile", "slow", "worker.profile"),
    ("streams.yaml", "app_id", "", "app_id"),
    ("streams.yaml", "app_id", "{a}", "app_id"),
    ("streams.yaml", "app_id", 7, "app_id"),
    ("streams.yaml", "kafka.password", "s3cret", "kafka.password"),
    ("streams.yaml", "kafka.security_protocol", "TLS", "kafka.security_protocol"),
    ("streams.yaml", "emit.mode", "always", "emit.mode"),
    ("streams.yaml", "limits.blocked_ids", "null", "limits.blocked_ids"),
    ("streams.yaml", "limits.allow_alias", "yes", "limits.allow_alias"),
    ("streams.yaml", "limits.allow_alias", 1, "limits.allow_alias"),
    ("topics.yaml", "topics.clickstreams", {}, "topics.clickstreams"),
    ("topics.yaml", "topics.clickstream.partitions", 6, "topics.clickstream.partitions"),
    ("topics.yaml", "topics.journal", ..., "topics.journal"),
    ("topics.yaml", "topics.journal.name", ..., "topics.journal.name"),
    ("topics.yaml", "topics.journal.cleanup", "keep", "topics.journal.cleanup"),
    ("topics.yaml", "partitions", ..., "partitions"),
    ("topics.yaml", "partitions", "12", "partitions"),
    ("catalogue.yaml", "types.0.nmae", "x", "types[0].nmae"),
    ("catalogue.yaml", "types.0.id", ..., "types[0].id"),
    ("catalogue.yaml", "types.0.name", ..., "types[0].name"),
    ("catalogue.yaml", "types.0.id", "ten", "types[0].id"),
    ("catalogue.yaml", "types.0.aliases", "Page", "types[0].aliases"),
    ("catalogue.yaml", "types.0.sign", 0, "types[0].sign"),
    ("catalogue.yaml", "unknown", "drop", "unknown"),
    ("catalogue.yaml", "types", ..., "types"),
    ("scoring.yaml", "half_live_days", 28, "half_live_days"),
    ("scoring.yaml", "bands.1.form", 20, "bands[1].form"),
    ("scoring.yaml", "bands.1.from", ..., "bands[1].from"),
    ("scoring.yaml", "weights.page_view", "high", "weights.page_view"),
    ("scoring.yaml", "examples.0.expect.0.scroe", 1, "examples[0].expect[0].scroe"),
    ("scoring.yaml", "examples.0.given.0.days", 3, "examples[0].given[0].days"),
    ("risk.yaml", "churn.theta", 0.3, "churn.theta"),
    ("risk.yaml", "churn.theta_on", "0.3", "churn.theta_on"),
    # out of range
    ("streams.yaml", "worker.max_batch_records", 0, "worker.max_batch_records"),
    ("streams.yaml", "worker.fetch_max_wait_ms", 60_000, "worker.fetch_max_wait_ms"),
    ("streams.yaml", "worker.dead_rate_max", 1.5, "worker.dead_rate_max"),
    ("streams.yaml", "worker.dead_rate_max", float("nan"), "worker.dead_rate_max"),
    ("streams.yaml", "worker.timer_grace_s", -1, "worker.timer_grace_s"),
    ("streams.yaml", "emit.min_delta", float("inf"), "emit.min_delta"),
    ("streams.yaml", "limits.depth", 1000, "limits.depth"),
    ("streams.yaml", "limits.value_bytes", 0, "limits.value_bytes"),
    ("streams.yaml", "limits.future_ms", -1, "limits.future_ms"),
    ("streams.yaml", "state.ttl_days", 30, "state.ttl_days"),
    ("streams.yaml", "state.dedup_ids", 10_000, "state.dedup_ids"),
    ("streams.yaml", "state.max_bytes", 100, "state.max_bytes"),
    ("topics.yaml", "partitions", 0, "partitions"),
    ("topics.yaml", "replication", 0, "replication"),
    ("topics.yaml", "topics.alerts.retention_days", 0, "topics.alerts.retention_days"),
    ("topics.yaml", "topics.alerts.max_bytes", 10, "topics.alerts.max_bytes"),
    ("topics.yaml", "topics.alerts.name", "engagement alerts", "topics.alerts.name"),
    ("topics.yaml", "topics.alerts.name", "..", "topics.alerts.name"),
    ("catalogue.yaml", "types.0.id", 9, "types[0].id"),
    ("catalogue.yaml", "types.0.id", 256, "types[0].id"),
    ("catalogue.yaml", "types.0.name", "Page View", "types[0].name"),
    ("catalogue.yaml", "types.0.weight", -1, "types[0].weight"),
    ("catalogue.yaml", "minor_units", 0, "minor_units"),
    ("catalogue.yaml", "custom_weight", float("nan"), "custom_weight"),
    ("catalogue.yaml", "types", [], "types"),
    ("catalogue.yaml", "types.0.channel", "fax", "types[0].channel"),
    ("catalogue.yaml", "types.0.channel", "email", "types[0].name"),
    ("catalogue.yaml", "types.0.amount", "", "types[0].amount"),
    ("catalogue.yaml", "types.0.amount", [], "types[0].amount"),
    ("catalogue.yaml", "types.0.aliases.0", " - ", "types[0].aliases[0]"),
    ("scoring.yaml", "half_life_days", 0, "half_life_days"),
    ("scoring.yaml", "a_ref", 0, "a_ref"),
    ("scoring.yaml", "session_gap_minutes", 0, "session_gap_minutes"),
    ("scoring.yaml", "weights.page_view", -1, "weights.page_view"),
    ("scoring.yaml", "weights.page_view", float("inf"), "weights.page_view"),
    ("scoring.yaml", "weights.page_view", float("nan"), "weights.page_view"),
    ("risk.yaml", "churn.theta_on", 1.0, "churn.theta_on"),
    ("risk.yaml", "churn.horizon_days", 0, "churn.horizon_days"),
    ("risk.yaml", "drop.rho", 1, "drop.rho"),
    ("risk.yaml", "drop.h_on", 50, "drop.h_on"),
    ("risk.yaml", "drop.min_active_days", 0, "drop.min_active_days"),
    # contradictions
    ("streams.yaml", "worker.stop_timeout_s", 45, "worker.stop_timeout_s"),
    ("streams.yaml", "worker.redis_timeout_s", 60, "worker.watchdog_s"),
    ("streams.yaml", "limits.value_bytes", 200_000, "limits.value_bytes"),
    ("streams.yaml", "kafka.security_protocol", "SASL_SSL", "kafka.sasl_mechanism"),
    ("streams.yaml", "kafka.sasl_mechanism", "PLAIN", "kafka.sasl_mechanism"),
    ("streams.yaml", "kafka.sasl_username", "streams", "kafka.sasl_username"),
    ("streams.yaml", "kafka.ssl_certfile", "cert.pem", "kafka.ssl_keyfile"),
    ("topics.yaml", "topics.alerts.name", "engagement.scores.v1", "topics.alerts.name"),
    ("topics.yaml", "topics.scores.retention_days", 3, "topics.scores.retention_days"),
    ("topics.yaml", "topics.scores.cleanup", "delete", "topics.scores.cleanup"),
    ("topics.yaml", "topics.clickstream.timestamp", "CreateTime", "topics.clickstream.timestamp"),
    ("topics.yaml", "topics.campaigns.cleanup", "compact,delete", "topics.campaigns.cleanup"),
    ("topics.yaml", "topics.rerouted.retention_days", 7, "topics.rerouted.retention_days"),
    ("topics.yaml", "topics.journal.retention_days", 29.9, "topics.journal.retention_days"),
    ("topics.yaml", "topics.campaigns.retention_days", ..., "topics.rerouted.retention_days"),
    ("topics.yaml", "topics.dead.max_bytes", 131_072, "topics.dead.max_bytes"),
    ("topics.yaml", "topics.rerouted.max_bytes", 65_536, "topics.rerouted.max_bytes"),
    ("catalogue.yaml", "types.1.id", 10, "types[1].id"),
    ("catalogue.yaml", "aggregates.0.id", 0, "aggregates[0].id"),
    ("catalogue.yaml", "aggregates.1.id", 1, "aggregates[1].id"),
    ("catalogue.yaml", "aggregates.1.name", "order_value", "aggregates[1].name"),
    ("catalogue.yaml", "aggregates.0.event", "order_complete", "aggregates[0].event"),
    ("catalogue.yaml", "aggregates.0.of", [], "aggregates[0].of"),
    ("catalogue.yaml", "aggregates.0.kind", "sum", "aggregates[0].kind"),
    ("catalogue.yaml", "types.1.name", "page_view", "types[1].name"),
    ("catalogue.yaml", "types.1.aliases.0", "PageView", "types[1].aliases[0]"),
    ("catalogue.yaml", "types.1.aliases.1", "Screen Viewed", "types[1].aliases[1]"),
    ("catalogue.yaml", "types.0.sign", -1, "types[0].sign"),
    ("scoring.yaml", "bands.0.from", 1, "bands[0].from"),
    ("scoring.yaml", "bands.2.from", 20, "bands[2].from"),
    ("scoring.yaml", "bands.4.from", 100, "bands[4].from"),
    ("scoring.yaml", "bands.3.name", "warm", "bands[3].name"),
    ("scoring.yaml", "bands.3.name", "", "bands[3].name"),
    ("scoring.yaml", "bands", [{"name": "all", "from": 0}], "bands"),
    ("scoring.yaml", "bands", [{"name": f"b{n}", "from": n} for n in range(17)], "bands"),
    ("scoring.yaml", "weights.page_veiw", 1, "weights.page_veiw"),
    ("risk.yaml", "churn.theta_on", 0.1, "churn.theta_on"),
    ("risk.yaml", "churn.theta_on", 0.2, "churn.theta_on"),
    ("risk.yaml", "drop.h_off", 4.8, "drop.h_on"),
    ("risk.yaml", "alerts.risk_steps", [0.5, 0.5], "alerts.risk_steps"),
    ("risk.yaml", "alerts.risk_steps", [1.5], "alerts.risk_steps"),
    ("risk.yaml", "alerts.value_steps_minor", [0, 10], "alerts.value_steps_minor"),
    ("risk.yaml", "alerts.value_bands", ["low", "high"], "alerts.value_bands"),
    ("risk.yaml", "alerts.value_bands", ["low", "low", "high"], "alerts.value_bands"),
    ("risk.yaml", "alerts.severities", ["info"], "alerts.severities"),
]


@pytest.mark.parametrize(("file", "change_at", "value", "path"), BROKEN)
def test_a_broken_file_is_refused_by_name_and_path(folder: Path, file: str, change_at: str, value: Any, path: str) -> None:
    change(folder, file, change_at, value)
    error = refused(folder)
    assert (error.file, error.path) == (file, path)
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("file", "change_at", "value", "words"),
    [
        ("risk.yaml", "churn.theta_on", 0.1, "risk.yaml: churn.theta_on: must be above theta_off (0.2), got 0.1"),
        ("risk.yaml", "drop.rho", 1, "risk.yaml: drop.rho: must be between 0.01 and 0.99, got 1"),
        ("risk.yaml", "churn.theta_onn", 1, "risk.yaml: churn.theta_onn: is not a setting, did you mean `theta_on`?"),
        ("streams.yaml", "worker.xyzzy", 1, "streams.yaml: worker.xyzzy: is not a setting"),
        ("streams.yaml", "worker.due_limit", "many", "streams.yaml: worker.due_limit: must be a whole number, got text"),
        ("streams.yaml", "worker", [], "streams.yaml: worker: must be a mapping of names to values, got a list"),
        (
            "scoring.yaml",
            "weights.page_veiw",
            1,
            "scoring.yaml: weights.page_veiw: is not an event of catalogue.yaml, did you mean `page_view`?",
        ),
        ("scoring.yaml", "bands.1.form", 1, "scoring.yaml: bands[1].form: is not a setting, did you mean `from`?"),
        ("catalogue.yaml", "types.1.id", 10, "catalogue.yaml: types[1].id: 10 is already the id of page_view"),
        ("catalogue.yaml", "types.0.id", ..., "catalogue.yaml: types[0].id: is missing"),
        (
            "catalogue.yaml",
            "types.0.channel",
            "emial",
            "catalogue.yaml: types[0].channel: must be one of email, sms, push, webpush, inapp, got emial, did you mean `email`?",
        ),
        ("streams.yaml", "worker.on_gap", "ignore", "streams.yaml: worker.on_gap: invalid enum value 'ignore'"),
    ],
)
def test_errors_can_be_read_aloud(folder: Path, file: str, change_at: str, value: Any, words: str) -> None:
    change(folder, file, change_at, value)
    assert str(refused(folder)) == words


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"churn: {theta_on: 0.3, theta_on: 0.4}", "risk.yaml: line 1: `theta_on` stands here twice"),
        (b"churn:\n  r0: 1\ndrop: {}\nchurn: {}", "risk.yaml: line 4: `churn` stands here twice"),
        (b"churn: [", "risk.yaml: line 2: did not find expected node content"),
        (b"- churn", "risk.yaml: must hold a mapping of names to values"),
        (b"just words", "risk.yaml: must hold a mapping of names to values"),
        (b"7: {}", "risk.yaml: line 1: a name must be text, and 7 is not"),
        (b"churn: \xff", "risk.yaml: is not YAML"),
        (b"churn: \x00", "risk.yaml: is not YAML"),
        (
            b"a: !!python/object:os.system {}",
            "risk.yaml: line 1: could not determine a constructor for the tag 'tag:yaml.org,2002:python/object:os.system'",
        ),
        (b"a: " + b"[" * 20_000, "risk.yaml: line 1: exceeded maximum nesting depth"),
        (b"#" * (1 << 20) + b"#", "risk.yaml: is larger than 1048576 bytes, which no rule file is"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(folder: Path, content: bytes, words: str) -> None:
    (folder / "risk.yaml").write_bytes(content)
    assert str(refused(folder)) == words


def test_a_file_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "risk.yaml").unlink()
    (folder / "risk.yaml").mkdir()
    assert str(refused(folder)) == "risk.yaml: cannot be read (Is a directory)"


def test_each_example_of_the_shipped_files_belongs_to_its_file() -> None:
    files = [file for file, _ in load(CONFIG, {}).examples]
    assert files == ["scoring.yaml"] * 3 + ["risk.yaml"] * 3


# The watch over the whole


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("site.tick_minutes", 7, "must be one of 1, 2, 3, 5, 10, 15, 20, 30, 60, got 7"),
        ("site.time_zone", "Berlin", "`Berlin` is no time zone, such as Europe/Berlin or UTC"),
        ("site.theta", 0, "must be between 0.5 and 40, got 0"),
        ("site.dimensions", ["town"], "invalid enum value 'town'"),
    ],
)
def test_what_the_watch_over_the_whole_cannot_do_is_refused(folder: Path, path: str, value: Any, words: str) -> None:
    change(folder, "risk.yaml", path, value)
    error = refused(folder)
    assert (error.file, error.path.removesuffix("[0]"), error.message) == ("risk.yaml", path, words)


@pytest.mark.parametrize(
    ("mute", "path", "words"),
    [
        ({"from": "2026-12-24", "to": "24.12."}, "to", "must be a local time such as 2026-12-24 or 2026-12-24 18:00, got 24.12."),
        ({"from": "2026-13-01", "to": "2026-12-24"}, "from", "must be a local time such as 2026-12-24 or 2026-12-24 18:00, got 2026-13-01"),
        ({"from": "2026-12-24", "to": "2026-12-24"}, "to", "must be after from (2026-12-24), got 2026-12-24"),
    ],
)
def test_a_mute_that_is_no_time_is_refused(folder: Path, mute: dict[str, Any], path: str, words: str) -> None:
    change(folder, "risk.yaml", "site.mutes", [mute])
    error = refused(folder)
    assert (error.path, error.message) == (f"site.mutes[0].{path}", words)

"""Terraform providers that know schemas and reach no cloud, so that ``terraform plan`` needs no registry.

Google's schema comes from the checkers beside the repository. TF_REATTACH_PROVIDERS tells Terraform where to
find them; it speaks its plugin protocol, version 5, with them:
https://developer.hashicorp.com/terraform/plugin/terraform-plugin-protocol
"""

import gzip
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import grpc  # type: ignore[import-untyped]  # carries no annotations
import msgpack  # type: ignore[import-untyped]  # carries no annotations
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Message = Any
"""A message of protobuf; its class is made from MESSAGES."""

Content = dict[str, Any] | None
"""A state of a resource; None where there is none."""

Answers = Mapping[str, Mapping[str, object]]
"""What data sources say, by type and attribute; with ``refused``, that they say nothing, and why."""

NO_ANSWERS: Answers = MappingProxyType({})

UNKNOWN = msgpack.ExtType(0, b"\0")
"""How Terraform writes a value that is known after the apply."""

ERROR = 1
"""Severity of what stops Terraform."""

LIST = 2
"""Nesting mode of all blocks of providers that are made with Terraform's older library."""

# Messages as they are on the wire: NAME, then FIELD:TYPE=NUMBER, with * where there may be many. A map is a
# list of entries, an enumeration a number; what the providers here do not look at is left out.
MESSAGES = """
Value msgpack:bytes=1 json:bytes=2
Attribute name:string=1 type:bytes=2 required:bool=4 optional:bool=5 computed:bool=6
Block attributes:Attribute*=2 block_types:Nested*=3
Nested type_name:string=1 block:Block=2 nesting:int64=3 min_items:int64=4 max_items:int64=5
Schema version:int64=1 block:Block=2
Entry key:string=1 value:Schema=2
Nothing
Schemas provider:Schema=1 resource_schemas:Entry*=2 data_source_schemas:Entry*=3
Config config:Value=1
Prepared prepared_config:Value=1
Read type_name:string=1 config:Value=2
State state:Value=1 diagnostics:Diagnostic*=2
Diagnostic severity:int64=1 summary:string=2
Stored type_name:string=1 raw_state:Raw=3
Raw json:bytes=1
Current type_name:string=1 current_state:Value=2
Change type_name:string=1 prior_state:Value=2 proposed_new_state:Value=3
Planned planned_state:Value=1 requires_replace:Path*=2 legacy_type_system:bool=5
Path steps:Step*=1
Step attribute_name:string=1
Apply type_name:string=1 planned_state:Value=3
Applied new_state:Value=1 legacy_type_system:bool=4
"""

METHODS = {
    "GetSchema": ("Nothing", "schemas"),
    "PrepareProviderConfig": ("Config", "prepare"),
    "ValidateResourceTypeConfig": ("Read", "agree"),
    "ValidateDataSourceConfig": ("Read", "agree"),
    "Configure": ("Nothing", "agree"),
    "UpgradeResourceState": ("Stored", "upgrade"),
    "ReadResource": ("Current", "refresh"),
    "PlanResourceChange": ("Change", "plan"),
    "ApplyResourceChange": ("Apply", "apply"),
    "ReadDataSource": ("Read", "read"),
    "Stop": ("Nothing", "agree"),
}


def _list_of(**attributes: object) -> object:
    return ["list", ["object", attributes]]


OUTPUTS: Mapping[str, Mapping[str, object]] = {
    "google_service_account": {"email": "string", "name": "string", "unique_id": "string"},
    "google_cloudfunctions2_function.service_config": {"uri": "string"},
    "google_cloud_run_v2_service": {"uri": "string"},
    "google_eventarc_trigger": {"transport": _list_of(pubsub=_list_of(subscription="string"))},
    "google_project": {"number": "string"},
    "google_storage_project_service_account": {"member": "string"},
    "google_pubsub_subscription": {"dead_letter_policy": _list_of(dead_letter_topic="string")},
    "google_cloud_quotas_quota_info": {
        "dimensions_infos": _list_of(
            applicable_locations=["list", "string"], details=_list_of(value="string")
        )
    },
}
"""What resources and data sources return, beside ``id``: the schema has arguments alone."""

FILLED_BLOCKS = {"transport"}
"""Blocks that the plan leaves to the provider, and reads."""

KNOWN = {"google_service_account": {"email": "{account_id}@my-project.iam.gserviceaccount.com"}}
"""What the provider knows of a resource when it plans: https://github.com/GoogleCloudPlatform/magic-modules/pull/11929."""

MADE: Mapping[str, Mapping[str, object]] = {
    "google_eventarc_trigger": {"transport": [{"pubsub": [{"subscription": "subscriptions/made"}]}]},
}
"""What a resource has after the apply, where the plan looks into it."""

FORCES_NEW = {"google_pubsub_subscription": ("name", "topic", "filter"), "google_storage_bucket": ("name",)}
"""Arguments whose change makes a resource anew; of a binding all are: it cannot be updated."""

OTHERS: Mapping[str, Mapping[str, tuple[Mapping[str, object], Mapping[str, object]]]] = {
    "archive": {
        "archive_file": (
            {"type": "string", "source_dir": "string", "output_path": "string", "output_file_mode": "string"},
            {"output_sha256": "string"},
        )
    },
    "external": {
        "external": ({"program": ["list", "string"], "working_dir": "string"}, {"result": ["map", "string"]})
    },
}
"""Data sources of the other providers: arguments, and what they return."""


def _types() -> dict[str, Message]:
    file = descriptor_pb2.FileDescriptorProto(name="plugin.proto", package="plugin", syntax="proto3")
    for name, *fields in filter(None, map(str.split, MESSAGES.splitlines())):
        message = file.message_type.add(name=name)
        for field in fields:
            key, _, kind = field.partition(":")
            kind, _, number = kind.partition("=")
            made = message.field.add(name=key, number=int(number), label=3 if kind.endswith("*") else 1)
            plain = {"string": 9, "bytes": 12, "bool": 8, "int64": 3}.get(kind.rstrip("*"))
            made.type = plain or 11
            if plain is None:
                made.type_name = f".plugin.{kind.rstrip('*')}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    names = [message.name for message in file.message_type]
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"plugin.{name}")) for name in names
    }


MAKE = _types()


class Provider:
    """Answers Terraform for one provider: ``resources`` and ``data`` are blocks by type name."""

    def __init__(
        self,
        provider: Message,
        resources: Mapping[str, Message],
        data: Mapping[str, Message],
        answers: Answers,
    ) -> None:
        self._resources, self._data, self._answers = resources, data, answers
        self._schemas = MAKE["Schemas"](
            provider=MAKE["Schema"](block=provider),
            resource_schemas=_entries(resources),
            data_source_schemas=_entries(data),
        )

    def schemas(self, _request: Message) -> Message:
        return self._schemas

    def prepare(self, request: Message) -> Message:
        return MAKE["Prepared"](prepared_config=request.config)

    def agree(self, _request: Message) -> Message:
        return MAKE["Nothing"]()

    def plan(self, request: Message) -> Message:
        proposed, prior = _content(request.proposed_new_state), _content(request.prior_state)
        if proposed is None:  # it goes
            return MAKE["Planned"](planned_state=request.proposed_new_state, legacy_type_system=True)
        known = {name: text.format(**proposed) for name, text in KNOWN.get(request.type_name, {}).items()}
        planned = _filled(proposed | known, self._resources[request.type_name], lambda _: UNKNOWN)
        return MAKE["Planned"](
            planned_state=_value(planned),
            requires_replace=[_path(name) for name in _forces_new(request.type_name, prior, planned)],
            legacy_type_system=True,
        )

    def apply(self, request: Message) -> Message:
        planned = _content(request.planned_state)
        made = planned and _known(planned) | MADE.get(request.type_name, {})
        return MAKE["Applied"](new_state=_value(made), legacy_type_system=True)

    def upgrade(self, request: Message) -> Message:
        return MAKE["State"](state=MAKE["Value"](json=request.raw_state.json))

    def refresh(self, request: Message) -> Message:
        return MAKE["State"](state=request.current_state)

    def read(self, request: Message) -> Message:
        answer = self._answers.get(request.type_name, {})
        if refused := answer.get("refused"):
            return MAKE["State"](diagnostics=[MAKE["Diagnostic"](severity=ERROR, summary=refused)])
        asked = _content(request.config) | answer
        return MAKE["State"](state=_value(_filled(asked, self._data[request.type_name], _made_up)))

    def serve(self) -> tuple[grpc.Server, str]:
        """Answer until stopped; return the server and its address."""
        server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.max_send_message_length", -1)])
        handlers = {method: _handler(getattr(self, own), kind) for method, (kind, own) in METHODS.items()}
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("tfplugin5.Provider", handlers)]
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        return server, f"127.0.0.1:{port}"


@contextmanager
def answering(schema: Path, types: Collection[str], answers: Answers = NO_ANSWERS) -> Iterator[str]:
    """Answer for all providers of the plan; yield the value of TF_REATTACH_PROVIDERS.

    Terraform asks for the whole schema with each command, so it gets that of ``types`` alone. ``answers`` are
    what data sources of Google's say, by type.
    """
    providers = {
        "google": google(schema, types, answers),
        **{name: _other(data) for name, data in OTHERS.items()},
    }
    serving = {name: provider.serve() for name, provider in providers.items()}
    try:
        yield json.dumps(
            {f"registry.terraform.io/hashicorp/{name}": _where(at) for name, (_, at) in serving.items()}
        )
    finally:
        for server, _ in serving.values():
            server.stop(None)


def _where(address: str) -> dict[str, object]:
    at = {"Network": "tcp", "String": address}
    return {"Protocol": "grpc", "ProtocolVersion": 5, "Pid": os.getpid(), "Test": True, "Addr": at}


def google(path: Path, types: Collection[str], answers: Answers) -> Provider:
    """Read Google's provider from its schema: gzipped JSON of arguments by kind and type."""
    schema = json.loads(gzip.decompress(path.read_bytes()))
    blocks = {
        kind: {name: _block(name, schema[kind][name], "id") for name in types & schema[kind].keys()}
        for kind in ("resource", "data")
    }
    return Provider(
        _block("provider", schema["provider"]["google"]), blocks["resource"], blocks["data"], answers
    )


def _other(sources: Mapping[str, tuple[Mapping[str, object], Mapping[str, object]]]) -> Provider:
    data = {
        name: MAKE["Block"](
            attributes=[
                *(_attribute(argument, kind, optional=True) for argument, kind in arguments.items()),
                *(_attribute(output, kind, computed=True) for output, kind in outputs.items()),
            ]
        )
        for name, (arguments, outputs) in sources.items()
    }
    return Provider(MAKE["Block"](), {}, data, {})


def _block(path: str, arguments: Mapping[str, Any], *computed: str) -> Message:
    outputs = {**dict.fromkeys(computed, "string"), **OUTPUTS.get(path, {})}
    block = MAKE["Block"]()
    for name, about in arguments.items():
        if name in FILLED_BLOCKS:
            continue
        if about.get("blk"):
            block.block_types.append(_nested(f"{path}.{name}", name, about))
        else:
            given = {"required": bool(about.get("req")), "optional": not about.get("req")}
            filled = name in outputs and not about.get("req")
            block.attributes.append(_attribute(name, _type(about), **given, computed=filled))
    more = outputs.keys() - (arguments.keys() - FILLED_BLOCKS)
    block.attributes.extend(_attribute(name, outputs[name], computed=True) for name in sorted(more))
    return block


def _nested(path: str, name: str, about: Mapping[str, Any]) -> Message:
    return MAKE["Nested"](
        type_name=name,
        block=_block(path, about.get("sub", {})),
        nesting=LIST,
        min_items=int(bool(about.get("req"))),
        max_items=0 if about.get("coll") else 1,
    )


def _type(about: Mapping[str, Any]) -> object:
    element = {"boolean": "bool"}.get(about.get("t", "string"), about.get("t", "string"))
    collection = {"array": "list", "map": "map"}.get(about.get("coll", ""))
    return [collection, element] if collection else element


def _attribute(name: str, kind: object, **flags: bool) -> Message:
    return MAKE["Attribute"](name=name, type=json.dumps(kind).encode(), **flags)


def _entries(blocks: Mapping[str, Message]) -> list[Message]:
    return [MAKE["Entry"](key=name, value=MAKE["Schema"](block=block)) for name, block in blocks.items()]


def _filled(value: dict[str, Any], block: Message, make: Callable[[Message], object]) -> dict[str, Any]:
    """Give what the provider returns to a value that has the arguments alone."""
    for attribute in block.attributes:
        if attribute.computed and value.get(attribute.name) is None:
            value[attribute.name] = make(attribute)
    for nested in block.block_types:
        for inner in value.get(nested.type_name) or []:
            _filled(inner, nested.block, make)
    return value


def _made_up(attribute: Message) -> object:
    """Return something of an attribute's type: what a data source says is known when the plan is made."""
    match json.loads(attribute.type):
        case "string":
            return "made-up"
        case ["map", _]:
            return {"folder": "made-up"}
        case ["list", _]:
            return []
    raise TypeError(f"nothing to make up for {attribute.name}")


def _forces_new(kind: str, prior: Content, planned: Content) -> list[str]:
    """Name the arguments that cannot be changed, and are."""
    if prior is None or planned is None:
        return []
    fixed = planned.keys() - {"id"} if kind.endswith("_iam_member") else FORCES_NEW.get(kind, ())
    return [name for name in fixed if prior.get(name) != planned[name]]


def _path(name: str) -> Message:
    return MAKE["Path"](steps=[MAKE["Step"](attribute_name=name)])


def _known(value: Any) -> Any:  # noqa: ANN401  a tree of whatever a resource holds
    """Return a state after the apply: what was unknown is made up."""
    match value:
        case dict():
            return {name: _known(inner) for name, inner in value.items()}
        case list():
            return [_known(inner) for inner in value]
    return "made-up" if value == UNKNOWN else value


def _content(value: Message) -> Any:  # noqa: ANN401  a tree of whatever a resource holds
    return msgpack.unpackb(value.msgpack)


def _value(content: object) -> Message:
    return MAKE["Value"](msgpack=msgpack.packb(content))


def _handler(answer: Callable[[Message], Message], kind: str) -> grpc.RpcMethodHandler:
    return grpc.unary_unary_rpc_method_handler(
        lambda request, _context: answer(request),
        request_deserializer=MAKE[kind].FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )

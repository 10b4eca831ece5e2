"""schemathesis, with all that the OpenAPI document allows and more, against a real server: nothing makes it fail."""

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from serving_tools import Door, Limits, keys, made, served

from searchidx.serving import api, errors, openai, openwebui, vector_stores

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    response_schema_conformance,
    content_type_conformance,
    unsupported_method,
]
KEY = "write-key-0123456789"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("schema")
    made(folder / "indexes" / "default")
    made(folder / "indexes" / "news")
    known = keys(folder, f'[[key]]\nname = "w"\nkey = "{KEY}"\nrights = "write"')
    with served(folder / "indexes", Door(keys=known, limits=Limits(rate=""))) as address:
        yield address


def operations():
    """The whole of the server's contracts: those for models, and those that other programs know by heart."""
    every = FastAPI(responses=errors.RESPONSES)
    for router in (api.router, openai.router, vector_stores.router, openwebui.router):
        every.include_router(router)
    return [found.ok() for found in schemathesis.openapi.from_dict(every.openapi()).get_all_operations()]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.label)
def test_no_request_makes_the_server_fail_and_every_answer_is_as_described(url, operation, mode):
    if mode == GenerationMode.NEGATIVE:
        if not (operation.body or operation.query or operation.path_parameters):
            pytest.skip("nothing in it can be wrong")
        checks = [*CHECKS, negative_data_rejection]
    else:
        checks = CHECKS

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def attempt(case):
        headers = {**(case.headers or {}), "Authorization": f"Bearer {KEY}"}
        answer = case.call(base_url=url, headers=headers)
        if answer.content == b"Invalid HTTP request received.":  # it came no further than the parser of HTTP
            assert answer.status_code == 400
        else:
            case.validate_response(answer, checks=checks)

    attempt()

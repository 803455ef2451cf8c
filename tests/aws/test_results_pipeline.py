"""A flow is shipped, its container keeps the result in a bucket, and `run` reads it back there."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import docker
import pytest

from flowyard.adapters.aws.s3 import BucketResults
from flowyard.adapters.aws.session import AwsSession
from flowyard.adapters.engine import VolumeResults
from flowyard.errors import FlowyardError, NotFound
from flowyard.ports import Results
from flowyard.render import RESULTS_FOLDER
from flowyard.runtime import codec
from flowyard.target import BucketStorage
from flowyard.values import ResultPlace
from tests.aws import task_role_server
from tests.aws.api import REGION, AwsApi
from tests.aws.faults import Refusal
from tests.integration.pipeline_projects import SmallProject
from tests.integration.test_image_bytecode import without_bytecode

pytest_plugins = ("tests.integration.pipeline_fixtures", "tests.aws.fixtures")

BUCKET = "acme-results"
ADDRESS = f"s3://{BUCKET}/flows"
JSON = '{"type": "json"}'
FLOW = '''from prefect import flow


@flow
def kept(times: int = 2) -> dict[str, object]:
    """A value that JSON does not give back."""
    return {"numbers": tuple(range(times))}
'''
SETTINGS = """
[deployments.production]
targets = ["local"]

[deployments.beside]
targets = ["beside"]
"""
BESIDE = """
[targets.beside]
registry = { type = "embedded" }
work-pool = { name = "POOL-beside", type = "docker" }
prefect = { api = "embedded" }
results = "volume:VOLUME"
"""


@pytest.fixture
def bucket(aws: AwsApi) -> str:
    place = {"LocationConstraint": REGION}
    aws.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
    return BUCKET


@pytest.fixture
def shipped(project: SmallProject, aws: AwsApi) -> Iterator[SmallProject]:
    """One flow, on a target that keeps results in the bucket, and on one that keeps them in a volume."""
    target = project.running.target
    beside = BESIDE.replace("POOL", project.name).replace("VOLUME", str(target.results).partition(":")[2])
    variables = json.dumps(aws.environment("task")).replace('":', '" =')
    project.registry(f"env = {variables}\n{beside}", results=ADDRESS)
    project.flow("kept", FLOW, SETTINGS)
    project.shipped()
    yield project
    with suppress(NotFound):  # not every test ships there
        project.api.request("DELETE", f"/work_pools/{project.name}-beside")


def image_of(project: SmallProject, name: str = "production") -> str:
    return str(project.deployment("kept", name)["job_variables"]["image"])


def test_run_prints_what_a_container_kept_in_the_bucket(
    shipped: SmallProject, bucket: str, aws: AwsApi
) -> None:
    reader = aws.environment("reader")
    done = shipped.program("run", "kept", "-p", "times=3", "--json", env=reader)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"] == {"type": "builtins.dict", "json": {"numbers": [0, 1, 2]}}
    assert [(call.caller, call.permission) for call in aws.calls] == [
        ("task", "s3:PutObject"),
        ("reader", "s3:GetObject"),
    ]
    aws.fail("s3", "PutObject", Refusal("AccessDenied", "User: {caller} may not {action}", 403), times=2)
    done = shipped.program("run", "kept", env=reader)
    assert (done.returncode, done.stdout) == (1, "")
    last = done.stderr.splitlines()[-1]
    assert " ended FAILED: Flow run encountered an exception: ResultNotWritten: " in last
    assert last.endswith("it takes s3:PutObject on arn:aws:s3:::acme-results/flows/*")


def test_one_image_serves_targets_with_a_bucket_and_with_a_volume(shipped: SmallProject) -> None:
    done = shipped.program("ship", "--target", "beside", "--json")
    assert done.returncode == 0, done.stderr
    (outcome,) = json.loads(done.stdout)["flows"]
    assert outcome["action"] == "reuse image"
    assert image_of(shipped) == image_of(shipped, "beside")
    both = [shipped.deployment("kept", name)["job_variables"] for name in ("production", "beside")]
    assert [one["env"]["FLOWYARD_RESULTS"] for one in both] == [ADDRESS, f"file://{RESULTS_FOLDER}"]
    assert ["volumes" in one for one in both] == [False, True]
    # As everything that a run imports.
    count, missing = without_bytecode(image_of(shipped), ("obstore", "obstore.store", "obstore.exceptions"))
    assert (count > 1, missing) == (True, [])


@pytest.fixture
def task_network(engine: docker.DockerClient) -> Iterator[str]:
    """A network like that of an ECS task, where 169.254.170.2 gives credentials."""
    pool = docker.types.IPAMPool(subnet="169.254.170.0/24")
    name = f"flowyard-test-{uuid.uuid4().hex[:12]}"
    network = engine.networks.create(name, ipam=docker.types.IPAMConfig(pool_configs=[pool]))
    yield name
    network.remove()


def test_the_role_of_an_ecs_task_is_enough(
    shipped: SmallProject, engine: docker.DockerClient, task_network: str
) -> None:
    image = image_of(shipped)
    fixed = engine.api.create_endpoint_config(ipv4_address="169.254.170.2")
    server = engine.containers.create(
        image,
        ["python", "-c", Path(task_role_server.__file__).read_text()],
        network=task_network,
        networking_config={task_network: fixed},
    )
    try:
        server.start()
        program = (
            "from flowyard.runtime.storage import open_storage; s = open_storage('s3://acme/flows'); "
            "s.put('k', b'kept'); print(s.read('k').decode())"
        )
        variables = {
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/task",
            "AWS_ENDPOINT_URL": "http://169.254.170.2",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": REGION,
        }
        command = ["python", "-c", program]
        said = engine.containers.run(image, command, network=task_network, environment=variables, remove=True)
        assert said.decode() == "kept\n"
        signed = "/acme/flows/k ASIATASK of-the-session"
        assert server.logs().decode().splitlines() == [f"PUT {signed}", f"GET {signed}"]
    finally:
        server.remove(force=True)


def put_into_volume(
    shipped: SmallProject, engine: docker.DockerClient, documents: Mapping[str, bytes]
) -> tuple[Results, list[str]]:
    """Results in the yard's volume, and the keys of these documents in it."""
    volume = str(shipped.running.target.results).partition(":")[2]
    program = f"""import pathlib
for name, content in {documents!r}.items():
    pathlib.Path("{RESULTS_FOLDER}", name).write_bytes(content)
"""
    places = [f"{volume}:{RESULTS_FOLDER}"]
    engine.containers.run(image_of(shipped), ["python", "-c", program], volumes=places, remove=True)
    return VolumeResults(volume), [f"{RESULTS_FOLDER}/{name}" for name in documents]


def put_into_bucket(aws: AwsApi, documents: Mapping[str, bytes]) -> tuple[Results, list[str]]:
    """The same in a bucket."""
    client = aws.client("s3")
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    for name, content in documents.items():
        client.put_object(Bucket=BUCKET, Key=f"flows/{name}", Body=content)
    results = BucketResults(BucketStorage(BUCKET, "flows"), AwsSession(REGION))
    return results, [f"{ADDRESS}/{name}" for name in documents]


def iter_nothing() -> Iterator[int]:
    yield from ()


def test_results_in_a_volume_and_in_a_bucket_are_read_alike(
    shipped: SmallProject, engine: docker.DockerClient, in_aws: AwsApi
) -> None:
    written = {"exact": {"a": [1]}, "pickled": (1, 2), "lost": {"all": iter_nothing()}}
    documents = {name: codec.dumps(value).encode() for name, value in written.items()}
    told = []
    for results, keys in (
        put_into_volume(shipped, engine, documents),
        put_into_bucket(in_aws, documents),
    ):
        told.append([results.read(image_of(shipped), ResultPlace(key, JSON)) for key in keys])
        with pytest.raises(FlowyardError, match="there is no result at"):
            results.read(image_of(shipped), ResultPlace(f"{keys[0]}-gone", JSON))
    assert told[0] == told[1]
    assert told[0] == [
        {"type": "builtins.dict", "json": {"a": [1]}},
        {"type": "builtins.tuple", "json": [1, 2]},
        {"type": "builtins.dict", "json": {"all": []}, "lost": "TypeError: cannot pickle 'generator' object"},
    ]

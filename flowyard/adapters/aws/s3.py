"""Results in an S3 bucket, read with the caller's own credentials; what is there is described, never loaded."""

from __future__ import annotations

from contextlib import closing

from flowyard.adapters.aws.refusals import hint_of_name, is_denied
from flowyard.errors import AwsError, AwsRefused
from flowyard.ports import AwsCalls
from flowyard.running.results import BEGINNING, MOST, ResultFile, describe_result
from flowyard.target import BucketStorage
from flowyard.values import Json, ResultPlace

_SCHEME = "s3://"


class BucketResults:
    """Reads what runs left in the target's bucket."""

    def __init__(self, storage: BucketStorage, aws: AwsCalls) -> None:
        self._storage = storage
        self._aws = aws

    def read(self, image: str, place: ResultPlace) -> Json:
        """As Results.read. Raises AwsError."""
        return describe_result(self._file(self._key(place.key)), place)

    def _key(self, address: str) -> str:
        """The object's key in the bucket. A run's state names the whole address."""
        if not address.startswith(_SCHEME):
            raise AwsError(
                f"the run kept its result at {address}, and the target says {self._storage}",
                hint="ship the flow with the target as it is now, and run it again",
            )
        bucket, _, key = address.removeprefix(_SCHEME).partition("/")
        if bucket != self._storage.bucket:
            # Nobody's credentials are used on a bucket that only the Prefect server names.
            raise AwsError(
                f"the run kept its result at {address}, which is not in the target's bucket {self._storage.bucket}",
                hint="ship the flow with the target as it is now, or read that object with the AWS CLI",
            )
        return key

    def _file(self, key: str) -> ResultFile:
        address = f"{_SCHEME}{self._storage.bucket}/{key}"
        try:
            answer = self._aws.call("s3", "GetObject", address, Bucket=self._storage.bucket, Key=key)
        except AwsRefused as error:
            raise _explained(error, address) from None
        from botocore.exceptions import BotoCoreError

        size = int(answer["ContentLength"])
        try:
            with closing(answer["Body"]) as body:
                return ResultFile(body.read(size if size <= MOST else BEGINNING), size, address)
        except BotoCoreError as error:
            raise AwsError(
                f"{address} could not be read to its end: {error}", hint=hint_of_name(error)
            ) from None


def _explained(error: AwsRefused, address: str) -> AwsRefused:
    """The refusal, with what S3 means by it."""
    if error.code == "NoSuchKey":
        text = f"there is no result at {address} (any more)"
        return AwsRefused(text, code=error.code, hint="a lifecycle rule of the bucket may have deleted it")
    if is_denied(error.code):
        more = "; without s3:ListBucket, S3 answers this for an object that is not there as well"
        return AwsRefused(error.message, code=error.code, hint=error.hint + more)
    return error

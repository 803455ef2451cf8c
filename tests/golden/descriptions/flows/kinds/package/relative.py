"""A flow in a package, which imports its neighbours relatively."""

from prefect import flow

from seen import seen

from . import UNIT
from .models import Amount


@flow
def relative(amount: Amount = Amount(number=1), unit: str = UNIT):
    return seen(locals())

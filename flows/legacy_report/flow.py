"""Monthly energy use per site, from the meter readings that ship with the image.

Written for pandas 2 and pinned to it: `fillna(method=...)` and the month alias "M" are gone in pandas 3,
where this module imports well and then fails in the middle of a run. It keeps its own image until rewritten.
"""

from pathlib import Path
from typing import Literal

import pandas as pd
from prefect import flow, task

READINGS = Path(__file__).parent / "readings.csv"
KILOWATT_HOURS_PER_UNIT = {"kWh": 1, "MWh": 1000}


@task
def read_readings(source: Path) -> pd.DataFrame:
    """Meter counters in kWh: one row per day, one column per site, gaps where a meter did not answer."""
    readings = pd.read_csv(source, parse_dates=["day"])
    return readings.pivot_table(index="day", columns="site", values="counter_kwh", dropna=False)


@task
def monthly_use(counters: pd.DataFrame) -> pd.DataFrame:
    """What each site used per month, in kWh, one row per month."""
    # pandas 3: TypeError, fillna() got an unexpected keyword argument 'method' (now: counters.ffill()).
    complete = counters.fillna(method="ffill")
    # pandas 3: ValueError, 'M' is no longer supported for offsets (now: "ME").
    use: pd.DataFrame = complete.diff().resample("M").sum()
    return use


@flow
def legacy_report(unit: Literal["kWh", "MWh"] = "MWh", decimals: int = 1) -> dict[str, object]:
    """Report how much energy each site used per month.

    Args:
        unit: unit of every figure in the report.
        decimals: digits after the decimal point.

    Returns the use per month and site, the highest month of each site, and the days without a reading.
    """
    counters = read_readings(READINGS)
    use = (monthly_use(counters) / KILOWATT_HOURS_PER_UNIT[unit]).round(decimals)
    use.index = use.index.strftime("%Y-%m")
    return {
        "unit": unit,
        "use": use.to_dict(orient="index"),
        "highest-month": use.idxmax().to_dict(),
        "days-without-reading": {site: int(count) for site, count in counters.isna().sum().items()},
        "pandas": pd.__version__,
    }


if __name__ == "__main__":
    print(legacy_report())

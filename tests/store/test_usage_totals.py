import asyncio

from antiphon.protocol.records import UsageTotal
from tests.store.making import ANNA, BEN, DAY_S, a_run, opened

MIDNIGHT = 1_800_057_600  # 2027-01-16, UTC


def test_usage_is_summed_by_model_key_provider_and_day(url: str) -> None:
    async def main() -> None:
        async with opened(url) as store:
            for run in (
                a_run(
                    created_at=MIDNIGHT - 1,
                    model="gpt-5",
                    key_id="key_1",
                    provider="openai",
                    tokens=(10, 1),
                    cost_micros=1500,
                ),
                a_run(created_at=MIDNIGHT, model="gpt-5", key_id="key_2", provider="azure", tokens=(20, 2)),
                a_run(
                    created_at=MIDNIGHT, model="llama", key_id="key_2", provider="local", tokens=(5, 5), estimated=True
                ),
                a_run(
                    created_at=MIDNIGHT + 5,
                    model="llama",
                    key_id="key_2",
                    provider="local",
                    status="failed",
                    tokens=None,
                ),
            ):
                await store.put(ANNA, run, None)
            period = {"since": MIDNIGHT - DAY_S, "until": MIDNIGHT + DAY_S}
            assert await store.usage(ANNA, **period, by="model") == [
                UsageTotal("gpt-5", 2, 0, 30, 0, 3, 0, 0, 1500, 1),
                UsageTotal("llama", 2, 1, 5, 0, 5, 0, 1, 0, 1),
            ]
            by_key = await store.usage(ANNA, **period, by="key")
            assert [(total.group, total.runs) for total in by_key] == [("key_1", 1), ("key_2", 3)]
            by_provider = await store.usage(ANNA, **period, by="provider")
            assert [(total.group, total.runs) for total in by_provider] == [("azure", 1), ("local", 2), ("openai", 1)]
            by_day = await store.usage(ANNA, **period, by="day")
            assert [(total.group, total.runs) for total in by_day] == [("2027-01-15", 1), ("2027-01-16", 3)]

    asyncio.run(main())


def test_usage_covers_its_start_and_not_its_end(url: str) -> None:
    async def main() -> None:
        async with opened(url) as store:
            for created_at in (99, 100, 199, 200):
                await store.put(ANNA, a_run(created_at=created_at), None)
            totals = await store.usage(ANNA, since=100, until=200)
            assert [total.runs for total in totals] == [2]
            assert await store.usage(ANNA, since=300, until=400) == []

    asyncio.run(main())


def test_usage_is_one_tenants_or_the_operators_sum(url: str) -> None:
    async def main() -> None:
        async with opened(url) as store:
            await store.put(ANNA, a_run(created_at=1), None)
            await store.put(BEN, a_run(created_at=1), None)
            assert [total.runs for total in await store.usage(ANNA, since=0, until=9)] == [1]
            assert [total.runs for total in await store.usage(None, since=0, until=9)] == [2]

    asyncio.run(main())

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.api_core.exceptions import BadRequest, Conflict, Forbidden, NotFound, PreconditionFailed
from google.cloud import bigquery

if TYPE_CHECKING:
    from nbactl.testing.bigquery import BigQueryServer


def test_a_dataset_is_created_described_and_dropped(client: bigquery.Client) -> None:
    wanted = bigquery.Dataset("test-1.stats")
    wanted.description, wanted.labels = "season data", {"team": "nba"}
    client.create_dataset(wanted)
    found = client.get_dataset("stats")
    assert (found.location, found.description, found.labels) == ("us-west2", "season data", {"team": "nba"})
    client.delete_dataset("stats")
    with pytest.raises(NotFound, match="Not found: Dataset test-1:stats"):
        client.get_dataset("stats")


def test_a_dataset_that_is_there_is_a_conflict(client: bigquery.Client, dataset: str) -> None:
    with pytest.raises(Conflict, match="Already Exists: Dataset test-1:") as caught:
        client.create_dataset(dataset)
    assert caught.value.errors[0]["reason"] == "duplicate"
    client.create_dataset(dataset, exists_ok=True)


def test_a_dataset_with_tables_is_dropped_with_its_contents_only(client: bigquery.Client, table: str) -> None:
    dataset = table.partition(".")[0]
    with pytest.raises(BadRequest, match="is still in use") as caught:
        client.delete_dataset(dataset)
    assert caught.value.errors[0]["reason"] == "resourceInUse"
    client.delete_dataset(dataset, delete_contents=True)
    with pytest.raises(NotFound):
        client.get_table(table)


def test_datasets_are_listed_in_pages(client: bigquery.Client) -> None:
    for number in range(5):
        client.create_dataset(f"page_{number}")
    pages = [[one.dataset_id for one in page] for page in client.list_datasets(page_size=2).pages]
    names = [name for page in pages for name in page if name.startswith("page_")]
    assert names == [f"page_{number}" for number in range(5)]
    assert max(map(len, pages)) == 2


def test_a_patch_with_a_stale_etag_is_refused(client: bigquery.Client, dataset: str) -> None:
    first, second = client.get_dataset(dataset), client.get_dataset(dataset)
    first.description = "mine"
    client.update_dataset(first, ["description"])
    second.description = "theirs"
    with pytest.raises(PreconditionFailed):
        client.update_dataset(second, ["description"])
    assert client.get_dataset(dataset).description == "mine"


def test_another_project_is_refused(client: bigquery.Client) -> None:
    with pytest.raises(Forbidden, match="Access Denied: Project elsewhere: User does not have") as caught:
        client.get_dataset("elsewhere.stats")
    assert caught.value.errors[0]["reason"] == "accessDenied"


def test_every_request_is_noted(client: bigquery.Client, server: BigQueryServer, dataset: str) -> None:
    client.get_dataset(dataset)
    assert server.requests[-1] == ("GET", f"/bigquery/v2/projects/test-1/datasets/{dataset}")

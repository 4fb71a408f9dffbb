"""Uploads over HTTP: stored as they come, refused whole when they cannot be read, in force when the worker is done."""

import json
from random import Random

import pytest

from services.worker.list_upload import ListUploadJob
from tests.services.control.lists.asking import ask
from tests.services.control.lists.bench import Bench
from tests.services.rtb.bench import Loop, send
from tests.services.rtb.cases import Sent

NUMBER = 440  # of the company; others have theirs
KEY = f"case{NUMBER:04d}-lists-of-company"
PATH = "campaigns/auto/caller_lists/suppressed_dnc/caller_list_uploads"
ROWS = [f"212555{place:04d}" for place in range(10_000)] * 2
SELECT_CHUNKS = """
SELECT c.first_row, c.text FROM caller_list_upload_chunks c WHERE c.upload_id = $1::uuid ORDER BY c.position
"""
SELECT_LEFT = "SELECT count(*) FROM caller_list_uploads WHERE status = 'Receiving'"


@pytest.fixture(scope="module", autouse=True)
def company(bench: Bench, loop: Loop) -> None:
    loop.run(bench.open_company(NUMBER))


def sent(bench: Bench, **more: object) -> tuple[int, dict[str, object]]:
    answer = ask(bench, "POST", path=f"{PATH}.json", key=KEY, **more)
    return answer.status, json.loads(answer.body)


async def worked(bench: Bench) -> None:
    job = ListUploadJob(bench.pings.postgres, bench.pings.redis)
    while await job.step():
        pass


def shown(bench: Bench, upload_id: str) -> dict[str, object]:
    answer = ask(bench, "GET", path=f"{PATH}/{upload_id}.json", key=KEY)
    told: dict[str, object] = json.loads(answer.body)["caller_list_upload"]
    return told


def test_a_long_body_is_stored_in_chunks_and_applied(bench: Bench, loop: Loop) -> None:
    text = "\n".join(["nonsense", *ROWS])
    status, told = sent(bench, json={"caller_list_upload": {"numbers": text}})
    upload = told["caller_list_upload"]
    assert status == 202
    assert isinstance(upload, dict)
    chunks = loop.run(bench.pings.postgres.fetch(SELECT_CHUNKS, upload["id"]))
    assert len(chunks) > 2
    assert "".join(chunk["text"] for chunk in chunks) == text
    loop.run(worked(bench))
    told = shown(bench, upload["id"])
    assert (told["status"], told["rows_read"], told["rows_applied"]) == ("Completed", 20_001, 20_000)
    assert told["rejected"] == [{"row": 1, "reason": "caller_number_invalid"}]
    target = f"/rtbs.json?key=case{NUMBER:04d}-key-that-pings&source_id=pub_a&caller_number=2125557777"
    answer = send(bench.pings.service(), Sent(method="GET", target=target, headers={}, body=b""))
    assert b"caller_suppressed" in answer.body


BAD = ["no number", "+1", "12", "2125550100x", "列表"]


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_each_of_a_thousand_bad_rows_is_told_by_its_number(bench: Bench, loop: Loop, kind: str) -> None:
    """Bodies come in pieces, are cut into chunks, and end anywhere in a row: the numbers stay those of the file."""
    dice = Random(5)
    rows = [
        f"{dice.choice(['', '1', '+1'])}313{555 + place // 10_000}{place % 10_000:04d}"
        for place in range(30_000)
    ]
    bad = sorted(dice.sample(range(30_000), 1_000))
    for place in bad:
        rows[place] = dice.choice(BAD)
    if kind == "json":
        _, told = sent(bench, json={"caller_list_upload": {"numbers": "\n".join(rows)}})
    else:
        head = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        body = head + "\r\n".join(f"{row},more" for row in rows) + "\r\n--x--\r\n"
        _, told = sent(bench, body=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    upload = told["caller_list_upload"]
    assert isinstance(upload, dict)
    assert len(loop.run(bench.pings.postgres.fetch(SELECT_CHUNKS, upload["id"]))) > 4
    loop.run(worked(bench))
    told = shown(bench, upload["id"])
    assert (told["rows_read"], told["rows_applied"], told["rows_rejected"]) == (30_000, 29_000, 1_000)
    assert told["rejected"] == [{"row": place + 1, "reason": "caller_number_invalid"} for place in bad]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", ""),
        ("application/json", "[]"),
        ("application/json", '{"numbers": "2125551001\\n", "action": {}'),
        ("application/json", '{"a":' * 20_000),
        ("multipart/form-data", "--x\r\n"),
        ("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=a\r\n\r\n"),
        ("text/csv", "2125551001\n2125551002\n"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_whole(bench: Bench, loop: Loop, kind: str, body: str) -> None:
    status, told = sent(bench, body=body, headers={"Content-Type": kind})
    assert (status, told["reason"]) == (400, "bad_request")
    assert loop.run(bench.pings.postgres.fetchval(SELECT_LEFT)) == 0


def test_nul_and_odd_letters_are_rows_that_are_no_numbers(bench: Bench, loop: Loop) -> None:
    text = "2125551001\0\n列表\n\x1b[2J\n2125551003"
    _, told = sent(bench, json={"numbers": text})
    upload = told["caller_list_upload"]
    assert isinstance(upload, dict)
    loop.run(worked(bench))
    told = shown(bench, upload["id"])
    assert (told["rows_read"], told["rows_applied"], told["rows_rejected"]) == (4, 1, 3)

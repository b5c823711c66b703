"""Addresses that may be asked, and answers that are bounded. tests/backends/dashscope has the rest."""

from __future__ import annotations

import traceback

import pytest

from tests.fake_model_studio import KEY, FakeService, serving
from wan_render.bounded_http import HttpError, HttpService, allowed_host, unfit_base, unsafe


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("https://dashscope-result-bj.oss-cn-beijing.aliyuncs.com/a.mp4?Expires=1", True),
        ("https://aliyuncs.com/a.mp4", True),
        ("http://dashscope-result-bj.oss-cn-beijing.aliyuncs.com/a.mp4", False),
        ("https://aliyuncs.com.evil.org/a.mp4", False),
        ("https://evilaliyuncs.com/a.mp4", False),
        ("https://evil.org/aliyuncs.com", False),
        ("https://evil.org\\@aliyuncs.com/", False),
        ("https://aliyuncs.com@evil.org/", False),
        ("https://user:word@aliyuncs.com/", False),
        ("https://aliyuncs.com:8443/a.mp4", False),
        ("https://169.254.169.254/latest", False),
        ("file:///etc/passwd", False),
        ("ftp://aliyuncs.com/a", False),
        ("https://", False),
        ("https://aliyuncs.com:99999/", False),
    ],
)
def test_only_the_given_hosts_are_allowed(url: str, *, is_allowed: bool) -> None:
    assert allowed_host(url, ("aliyuncs.com",)) is is_allowed


def test_plain_http_is_for_this_machine_alone() -> None:
    assert unsafe("http://127.0.0.1:8188") is None
    assert unsafe("http://studio-b:8188") == "is not https"
    assert unsafe("http://studio-b:8188", is_open=True) is None


def test_the_address_of_a_service_ends_before_a_query() -> None:
    """It is kept in records, and a query may be a key."""
    assert unfit_base("https://host/v1") is None
    for url in (f"https://host/v1?key={KEY}", f"https://host/v1#{KEY}", KEY):
        fault = unfit_base(url)
        assert fault is not None
        assert KEY not in fault


def test_a_large_answer_is_not_read_to_its_end() -> None:
    with serving(FakeService(lambda *_: "huge")) as service:
        service.ordered({})
        (task,) = service.tasks
        asked = HttpService(service.base, most_bytes=2**16, headers={"Authorization": f"Bearer {KEY}"})
        with pytest.raises(HttpError, match="larger than 65,536 bytes"):
            asked.get_json(f"/tasks/{task}")


def test_no_error_shows_a_header() -> None:
    with serving(FakeService()) as service:
        asked = HttpService(service.base, headers={"Authorization": "Bearer sk-very-secret"})
        for path in ("/tasks/none", "/nowhere"):
            with pytest.raises(HttpError) as refused:
                asked.get_json(path)
            # The fake repeats the key, as some services do; whoever has the key takes it out of their words.
            assert "sk-very-secret" not in "".join(traceback.format_exception(refused.value)).replace(
                "Incorrect API key provided: sk-very-secret", ""
            )
        assert "sk-very-secret" not in repr(asked)

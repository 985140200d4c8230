"""The cache bounded by bytes."""

from ritm_backend.lru import BytesLru


def test_what_was_used_last_stays():
    cache: BytesLru[str, int] = BytesLru(30)
    for n, key in enumerate("abc"):
        cache.setdefault(key, n, 10)
    cache.get("a")
    cache.setdefault("d", 3, 10)

    assert [cache.get(key) for key in "abcd"] == [0, None, 2, 3]


def test_the_first_value_of_a_key_is_kept():
    cache: BytesLru[str, int] = BytesLru(30)

    assert cache.setdefault("a", 1, 10) == 1
    assert cache.setdefault("a", 2, 10) == 1


def test_a_value_larger_than_the_cache_is_kept_alone():
    cache: BytesLru[str, int] = BytesLru(30)
    cache.setdefault("a", 1, 10)
    cache.setdefault("b", 2, 1000)

    assert (cache.get("a"), cache.get("b")) == (None, 2)

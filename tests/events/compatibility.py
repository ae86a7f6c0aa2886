"""Tells which changes of a schema break those who built against the one before."""

from typing import Any

_LIMITS = {"minimum": 1, "minLength": 1, "minItems": 1, "maximum": -1, "maxLength": -1, "maxItems": -1}


def breaking_changes(old: dict[str, Any], new: dict[str, Any], *, we_write: bool) -> list[str]:
    """Return what a reader (or, where they write, a writer) of the old schema would trip over in the new one.

    Parameters
    ----------
    old, new : dict
        JSON Schemas with local references.
    we_write : bool
        True: others read, so nothing they rely on may go and nothing they do not expect may come.
        False: others write, so nothing they write may be refused.
    """
    return _compare(old, new, (old, new), "", we_write)


def _compare(old: Any, new: Any, roots: tuple[Any, Any], at: str, we_write: bool) -> list[str]:
    old, new = _resolve(old, roots[0]), _resolve(new, roots[1])
    found = [
        f"{at}: {word} was {old.get(word)}, is {new.get(word)}"
        for word in ("type", "format", "pattern")
        if old.get(word) != new.get(word)
    ]
    wide, narrow = (new, old) if we_write else (old, new)
    for word in ("enum", "const"):
        if (word in old) != (word in new):
            found.append(f"{at}: {word} was {old.get(word)}, is {new.get(word)}")
        elif word in old:
            extra = set(_listed(wide[word])) - set(_listed(narrow[word]))
            found += [f"{at}: value {value!r} is {'new' if we_write else 'gone'}" for value in sorted(extra, key=str)]
    for word, sign in _LIMITS.items():
        if word in narrow and (word not in wide or sign * wide[word] < sign * narrow[word]):
            found.append(f"{at}: {word} was {old.get(word)}, is {new.get(word)}")
    promised = set(narrow.get("required", ())) - set(wide.get("required", ()))
    found += [f"{at}: {name} is {'no longer' if we_write else 'now'} required" for name in sorted(promised)]
    for name, schema in old.get("properties", {}).items():
        if name not in new.get("properties", {}):
            found.append(f"{at}/{name}: it is gone")
        else:
            found += _compare(schema, new["properties"][name], roots, f"{at}/{name}", we_write)
    for word in ("items", "additionalProperties"):
        if isinstance(old.get(word), dict):
            found += _compare(old[word], new.get(word, {}), roots, f"{at}/{word}", we_write)
    return found + _compare_variants(old, new, roots, at, we_write)


def _compare_variants(old: Any, new: Any, roots: tuple[Any, Any], at: str, we_write: bool) -> list[str]:
    before, after = (_variants(schema) for schema in (old, new))
    unexpected = set(after) - set(before) if we_write else set()
    found = [f"{at}: variant {name} is new" for name in sorted(unexpected)]
    for name, schema in before.items():
        if name not in after:
            found.append(f"{at}: variant {name} is gone")
        else:
            found += _compare(schema, after[name], roots, f"{at}({name})", we_write)
    return found


def _variants(schema: Any) -> dict[str, Any]:
    mapping = schema.get("discriminator", {}).get("mapping", {})
    return {kind: {"$ref": reference} for kind, reference in mapping.items()}


def _resolve(schema: Any, root: Any) -> Any:
    while "$ref" in schema:
        target = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = target
    return schema


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]

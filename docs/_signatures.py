"""Signatures of Equinox modules and of named tuples, whose fields are their arguments, for the pages of the API."""

import griffe


_BASES = {"equinox.Module", "typing.NamedTuple"}


class Signatures(griffe.Extension):
    """Gives every class that is made by its fields the `__init__` that it has once Python runs."""

    def on_package(self, *, pkg, **kwargs):
        del kwargs
        _visit(pkg)


def _visit(parent):
    for member in list(parent.members.values()):
        if member.is_alias:
            continue
        if member.is_module:
            _visit(member)
        elif member.is_class and "__init__" not in member.members:
            lineage = [*reversed(member.mro()), member]
            if any(getattr(base, "canonical_path", "") in _BASES for cls in lineage for base in cls.bases):
                fields = {
                    field.name: field for cls in lineage for field in map(_parameter, cls.members.values()) if field
                }
                _give_init(member, fields.values())


def _parameter(member):
    if not member.is_attribute or member.annotation is None or "property" in member.labels:
        return None
    if str(member.annotation).startswith(("AbstractVar", "ClassVar")):
        return None
    default = member.value
    if isinstance(default, griffe.ExprCall) and default.canonical_path in ("equinox.field", "dataclasses.field"):
        default = next((argument.value for argument in default.arguments if argument.name == "default"), None)
    kind = griffe.ParameterKind.positional_or_keyword
    return griffe.Parameter(member.name, annotation=member.annotation, kind=kind, default=default)


def _give_init(cls, fields):
    own = griffe.Parameter("self", annotation=None, kind=griffe.ParameterKind.positional_or_keyword, default=None)
    init = griffe.Function("__init__", lineno=0, endlineno=0, parent=cls, parameters=griffe.Parameters(own, *fields))
    cls.set_member("__init__", init)

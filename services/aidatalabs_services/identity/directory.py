"""Who the users are, for the API: oneself, and for mesh admins everybody."""

from __future__ import annotations

from collections.abc import Sequence

from aidatalabs_services.identity.ports import UserStore
from aidatalabs_services.identity.users import User, UserQuery, user_id, user_references
from aidatalabs_services.runtime.errors import TokenInvalid


class UserDirectory:
    """Finds and lists users."""

    def __init__(self, store: UserStore) -> None:
        self._store = store

    async def current(self, name: str) -> User:
        """The user `users/{id}` of a verified token. Raises TokenInvalid where that user is gone."""
        found = user_id(name)
        user = await self._store.get(found) if found is not None else None
        if user is None:
            raise TokenInvalid(
                "The user of this token is gone. Sign in again, or run `aidatalabs token` for a new one."
            )
        return user

    async def page(self, query: UserQuery, size: int) -> list[User]:
        """At most `size` users that fit the query, in its order, from its place on."""
        return await self._store.page(query, size)

    async def resolve(self, members: Sequence[str]) -> list[User]:
        """The users of these e-mails and `users/{id}`, each once, by e-mail; what nobody has is left out."""
        ids, emails = user_references(members)
        return await self._store.find(ids, emails) if ids or emails else []

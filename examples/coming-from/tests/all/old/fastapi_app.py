"""An application with fastapi-anchor.

Its arguments are the address of the database, the schema, and `login` or the cookie of `/me`.
"""

import asyncio
import sys
from datetime import datetime, timedelta, timezone
from uuid import UUID, uuid4

import httpx
from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi_anchor.backends.implementations import (
    PostgresBackend,
    PostgresSessionData,
    anchor_sessions_table,
)
from fastapi_anchor.frontends.implementations import CookieParameters, SessionCookie
from fastapi_anchor.session_verifier import SessionVerifier
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import NullPool

database, schema, argument = sys.argv[1:]
settings = {"server_settings": {"search_path": schema}}
engine = create_async_engine(database, connect_args=settings, poolclass=NullPool)
metadata = MetaData()
table = anchor_sessions_table(metadata)
factory = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)

cookie = SessionCookie(
    cookie_name="session",
    identifier="auth",
    auto_error=True,
    secret_key="your-secret",
    cookie_params=CookieParameters(),
)
backend = PostgresBackend(factory, table=table)


class AuthVerifier(SessionVerifier[UUID, PostgresSessionData]):
    identifier = "auth"
    backend = backend
    auto_error = True
    auth_http_exception = HTTPException(status_code=401, detail="Invalid session")

    def verify_session(self, model: PostgresSessionData) -> bool:
        return True


app = FastAPI()


@app.post("/login")
async def login(user_id: str, response: Response):
    now = datetime.now(timezone.utc)
    data = PostgresSessionData(
        user_id=user_id, created_at=now, expires_at=now + timedelta(days=14)
    )
    session_id = uuid4()
    await backend.create(session_id, data)
    cookie.attach_to_response(response, session_id)


@app.get("/me", dependencies=[Depends(cookie)])
async def me(session_data: PostgresSessionData = Depends(AuthVerifier())):
    return session_data.user_id


@app.post("/logout")
async def logout(response: Response, session_id: UUID = Depends(cookie)):
    await backend.delete(session_id)
    cookie.delete_from_response(response)


async def main():
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="https://shop.example") as client:
        if argument == "login":
            response = await client.post("/login", params={"user_id": "1"})
            print(response.headers["set-cookie"].split(";")[0])
        else:
            print((await client.get("/me", headers={"cookie": argument})).status_code)


asyncio.run(main())

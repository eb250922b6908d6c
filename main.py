"""`uvicorn main:app --reload --port 8000`; `./start_api.sh` does the same and sets everything up first."""

from fortified.application import Application

app = Application()

"""`uvicorn main:app --reload --port 8000`; `./start_api.sh` does the same and sets everything up first."""

import sys

from fortified.application import Application

app = Application()

if __name__ == "__main__":  # process managers run `python main.py -m uvicorn main:app --port 8000`
    import uvicorn

    uvicorn.main(sys.argv[3:] if sys.argv[1:3] == ["-m", "uvicorn"] else ["main:app", *sys.argv[1:]])

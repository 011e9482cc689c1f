@echo off
rem Builds the documentation on Windows: make.bat html
cd /d "%~dp0"
if "%1"=="" (
    python -m sphinx -M help . _build
) else (
    python -m sphinx -M %1 . _build
)

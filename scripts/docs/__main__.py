"""Write every generated document: `python -m scripts.docs`."""

from scripts.docs import ROOT, pages

for path, text in pages().items():
    target = ROOT / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    print(path)

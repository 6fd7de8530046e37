"""The environment variables that the box sets itself, each with the reason why a stack file may not.

The stack's settings refuse them in `openWebui.environment` and `ollama.environment`; `tests/test_box_environment.py`
holds this list against what the box really sets. Names: open_webui/env.py, open_webui/config.py of 0.11.4 and
0.12.4, ollama's envconfig/config.go of 0.32.7.
"""

from collections.abc import Mapping
from types import MappingProxyType

_STATE = "the box keeps all state on the data disk, where it is backed up and rolled back"
_ADMIN = "the admin comes from admin.email, admin.name and adminPassword"
_PROXY = "the box's own proxy decides it from access.tls"
_SIGN_UP = "with sign-up open the first visitor could become admin; accounts are made by the admin, or by SSO"
_OLLAMA = "the box's Ollama is the only one; its address is the box's own network"
_BACKENDS = "give OpenAI-compatible services as openWebui.openaiBackends, which keeps their keys secret"
_PLUGINS = "plugins run Python on the server: one key switches all of it, openWebui.plugins"
_CODE = "one key switches code execution: openWebui.codeExecution"
_RAG = "embeddings come from the box's Ollama, so that nothing is fetched from Hugging Face at run time"
_HEADER = "any client could send that header and be whom it names: nothing in front of the page takes it away"
_IMAGE = "it belongs to how the image is started"

OPEN_WEBUI: Mapping[str, str] = MappingProxyType(
    {
        "WEBUI_SECRET_KEY": "it is made once and kept on the data disk; another one signs everybody out",
        "WEBUI_SECRET_KEY_FILE": "the secret key is made once and kept on the data disk",
        "WEBUI_JWT_SECRET_KEY": "the secret key is made once and kept on the data disk",
        "WEBUI_AUTH": "without authentication everybody who reaches the address is admin",
        "WEBUI_AUTH_TRUSTED_EMAIL_HEADER": _HEADER,
        "WEBUI_AUTH_TRUSTED_NAME_HEADER": _HEADER,
        "WEBUI_AUTH_TRUSTED_GROUPS_HEADER": _HEADER,
        "WEBUI_AUTH_TRUSTED_ROLE_HEADER": _HEADER,
        "ENABLE_PASSWORD_AUTH": "the readiness gate signs in as the admin, with the password",
        "WEBUI_ADMIN_EMAIL": _ADMIN,
        "WEBUI_ADMIN_NAME": _ADMIN,
        "WEBUI_ADMIN_PASSWORD": _ADMIN,
        "ENABLE_INITIAL_ADMIN_SIGNUP": _SIGN_UP,
        "ENABLE_SIGNUP": _SIGN_UP,
        "ENABLE_PERSISTENT_CONFIG": "the stack file is the configuration; stored settings would hide its changes",
        "RESET_CONFIG_ON_START": "no configuration is stored that could be reset",
        "BYPASS_MODEL_ACCESS_CONTROL": "without it people with the role user see no model at all",
        "DEFAULT_MODELS": "the first entry of models is the default",
        "WEBUI_URL": _PROXY,
        "CORS_ALLOW_ORIGIN": _PROXY,
        "WEBUI_SESSION_COOKIE_SECURE": _PROXY,
        "WEBUI_SESSION_COOKIE_SAME_SITE": _PROXY,
        "WEBUI_AUTH_COOKIE_SECURE": _PROXY,
        "WEBUI_AUTH_COOKIE_SAME_SITE": _PROXY,
        "FORWARDED_ALLOW_IPS": _PROXY,
        "HOST": _IMAGE,
        "PORT": _IMAGE,
        "ENV": _IMAGE,
        "DOCKER": _IMAGE,
        "USE_SLIM_DOCKER": _IMAGE,
        "UVICORN_WORKERS": "SQLite and the vector store stand one process only",
        "DATA_DIR": _STATE,
        "STATIC_DIR": "the image's root is read-only; the box gives a writable copy",
        "DATABASE_URL": _STATE,
        "DATABASE_TYPE": _STATE,
        "OLLAMA_BASE_URL": _OLLAMA,
        "OLLAMA_BASE_URLS": _OLLAMA,
        "OLLAMA_API_BASE_URL": _OLLAMA,
        "ENABLE_OLLAMA_API": _OLLAMA,
        "K8S_FLAG": _OLLAMA,
        "ENABLE_OPENAI_API": _BACKENDS,
        "OPENAI_API_BASE_URL": _BACKENDS,
        "OPENAI_API_BASE_URLS": _BACKENDS,
        "OPENAI_API_KEY": _BACKENDS,
        "OPENAI_API_KEYS": _BACKENDS,
        "ENABLE_PLUGINS": _PLUGINS,
        "ENABLE_PIP_INSTALL_FRONTMATTER_REQUIREMENTS": _PLUGINS,
        "ENABLE_CODE_EXECUTION": _CODE,
        "ENABLE_CODE_INTERPRETER": _CODE,
        "RAG_EMBEDDING_ENGINE": _RAG,
        "RAG_EMBEDDING_MODEL": _RAG,
        "RAG_OLLAMA_BASE_URL": _RAG,
        "OFFLINE_MODE": "once ready, the service needs no internet",
        "HF_HUB_OFFLINE": "once ready, the service needs no internet",
        "ENABLE_VERSION_UPDATE_CHECK": "versions change by the stack file",
    }
)

OLLAMA: Mapping[str, str] = MappingProxyType(
    {
        "OLLAMA_HOST": "Ollama has no authentication: it listens on the box's own network only",
        "OLLAMA_MODELS": _STATE,
        "OLLAMA_CONTEXT_LENGTH": "give ollama.contextLength, which is checked against the GPU's memory",
        "OLLAMA_NUM_PARALLEL": "give ollama.parallel, which is checked against the GPU's memory",
        "OLLAMA_KV_CACHE_TYPE": "the check against the GPU's memory counts on the box's choice",
        "OLLAMA_FLASH_ATTENTION": "a quantised KV cache needs it",
        "OLLAMA_KEEP_ALIVE": "the box is ready when the model is in memory, and it stays there",
        "OLLAMA_NO_CLOUD": "chats stay on the box",
        "OLLAMA_REMOTES": "chats stay on the box",
        "OLLAMA_NOPRUNE": "a restart would throw away what an interrupted pull has fetched",
        "OLLAMA_ORIGINS": "only Open WebUI talks to Ollama",
        "HOME": _STATE,
        "PATH": "it belongs to how the service is started",
        "LD_LIBRARY_PATH": "it belongs to how the service is started",
        "LD_PRELOAD": "it belongs to how the service is started",
    }
)

"""The way to the OpenID Connect provider. Imported only where one is set up: it brings requests."""

import secrets

from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from requests import RequestException

PROVIDER = "oidc"


@require_safe
@never_cache
def begin(request: HttpRequest) -> HttpResponse:
    """Send the browser to the provider, with a nonce that its answer must carry.

    Ours instead of allauth's: nothing of the address decides on scopes or on what is done after.
    """
    provider = OpenIDConnectOAuth2Adapter(request, PROVIDER).get_provider()
    nonce = secrets.token_urlsafe(24)
    parameters = {**provider.get_auth_params(), "nonce": nonce}
    try:
        sent: HttpResponse = provider.redirect(
            request,
            process=AuthProcess.LOGIN,
            next_url=get_next_redirect_url(request),
            auth_params=parameters,
            nonce=nonce,
        )
    except RequestException as error:
        return render_authentication_error(request, provider, exception=error)
    return sent

"""Addresses of signing in and of factors, under the names by which allauth calls them.

Only what we use: no sign-up, no password by mail, no change of e-mail address.
"""

from importlib import import_module

from allauth.account import views as account
from allauth.account.decorators import reauthentication_required
from allauth.mfa.base import views as factors
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as passkeys
from django.conf import settings
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache
from django.views.generic import RedirectView

from ace_project.console import account as console_account
from ace_project.console import sign_in

# Who has a second factor shows it before a first password is set.
set_password = reauthentication_required(account.password_set, app="allauth.mfa")
# These show what a factor is made of: no disk keeps them, and no step back brings them up again.
add_app, add_passkey = never_cache(totp.activate_totp), never_cache(passkeys.add_webauthn)
view_codes = never_cache(codes.view_recovery_codes)
to_sign_in = RedirectView.as_view(pattern_name="account_login")
to_account = RedirectView.as_view(pattern_name="console:account")

urlpatterns: list[URLPattern] = [
    path("sign-in/", account.login, name="account_login"),
    path("sign-in/once/<int:pk>/<str:token>/", sign_in.sign_in_once, name="sign-in-once"),
    path("sign-in/invited/<str:token>/", sign_in.invited, name="invited"),
    path("sign-in/code/", factors.authenticate, name="mfa_authenticate"),
    path("sign-in/passkey/", passkeys.login_webauthn, name="mfa_login_webauthn"),
    path("sign-in/inactive/", account.account_inactive, name="account_inactive"),
    path("sign-in/again/", account.reauthenticate, name="account_reauthenticate"),
    path("sign-in/again/code/", factors.reauthenticate, name="mfa_reauthenticate"),
    path(
        "sign-in/again/passkey/",
        passkeys.reauthenticate_webauthn,
        name="mfa_reauthenticate_webauthn",
    ),
    path("sign-out/", account.logout, name="account_logout"),
    path("account/", console_account.page, name="mfa_index"),
    path("account/password/", account.password_change, name="account_change_password"),
    path("account/password/first/", set_password, name="account_set_password"),
    path("account/app/", add_app, name="mfa_activate_totp"),
    path("account/app/remove/", totp.deactivate_totp, name="mfa_deactivate_totp"),
    path("account/passkeys/", to_account, name="mfa_list_webauthn"),
    path("account/passkeys/add/", add_passkey, name="mfa_add_webauthn"),
    path("account/passkeys/<int:pk>/name/", passkeys.edit_webauthn, name="mfa_edit_webauthn"),
    path("account/passkeys/<int:pk>/remove/", passkeys.remove_webauthn, name="mfa_remove_webauthn"),
    path("account/codes/", view_codes, name="mfa_view_recovery_codes"),
    path("account/codes/new/", codes.generate_recovery_codes, name="mfa_generate_recovery_codes"),
]

if settings.ACE_OIDC:
    # Imported only where a provider is set up: they bring an HTTP client of 7 MB.
    oidc = import_module("ace_project.console.accounts.oidc")
    answers = import_module("allauth.socialaccount.providers.openid_connect.views")
    urlpatterns += [
        path("sign-in/with/oidc/", oidc.begin, name="oidc_begin"),
        path(
            "sign-in/with/<str:provider_id>/answer/",
            answers.callback,
            name="openid_connect_callback",
        ),
        path("sign-in/with/cancelled/", to_sign_in, name="socialaccount_login_cancelled"),
    ]

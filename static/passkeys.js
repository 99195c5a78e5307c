// Passkeys: wires forms marked data-passkey to allauth's webauthn.js and says what went wrong.
(() => {
  "use strict";

  const WORDS = {
    NotAllowedError: "The passkey was not used in time, or was refused. Try again.",
    InvalidStateError: "This device already holds a passkey of yours.",
    SecurityError: "Browsers bind passkeys to a host name under https, or to localhost.",
  };
  const form = document.querySelector("form[data-passkey]");
  // A bare address can hold no passkeys.
  const isAddress = /^(\d+\.){3}\d+$|^\[/.test(location.hostname);
  if (!form) return;

  const kind = form.dataset.passkey;
  const say = (words) => {
    const wrong = form.querySelector("[data-passkey-wrong]");
    wrong.textContent = words;
    wrong.hidden = false;
  };
  if (isAddress || !window.PublicKeyCredential) {
    // Where people sign in there are other ways, and the button stays hidden.
    if (kind !== "login") say(isAddress ? WORDS.SecurityError : "This browser has no passkeys.");
    return;
  }
  const ids = { credential: "passkey-credential", data: "js_data", [kind]: "passkey-button" };
  if (kind === "add") ids.passwordless = "passkey-alone";
  window.allauth.webauthn.forms[`${kind}Form`]({ ids });
  document.addEventListener("allauth.error", (event) => {
    event.preventDefault();
    say(WORDS[event.detail.exception.name] || "The passkey could not be used.");
  });
  form.hidden = false;
  document.getElementById("passkey-button").disabled = false;
})();

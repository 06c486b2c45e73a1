// What the pages need beyond htmx. Every page works without it, but for the parts that
// update by themselves.
"use strict";

// A confirmation that was fetched opens, with the focus on Cancel. Earlier, htmx would set the
// focus once more, when somebody may be writing already.
document.addEventListener("htmx:afterSettle", (e) => {
  const dialog = e.detail.target.closest("dialog");
  if (dialog && !dialog.open) dialog.showModal();
});
document.addEventListener("click", (e) => {
  const close = e.target.closest("[data-close]");
  if (!close) return;
  const dialog = close.closest("dialog");
  if (dialog) {
    e.preventDefault();
    dialog.close();
  }
});

// A part that updates by itself holds still while somebody uses it, or nobody looks.
document.addEventListener("htmx:beforeRequest", (e) => {
  const part = e.detail.elt;
  if (!part.hasAttribute("data-live")) return;
  if (document.hidden || document.querySelector("dialog[open]") || part.querySelector(":popover-open, .keys details[open]")) e.preventDefault();
});

// The console itself may be gone.
const away = (gone) => {
  const note = document.getElementById("away");
  if (note) note.hidden = !gone;
};
document.addEventListener("htmx:sendError", () => away(true));
document.addEventListener("htmx:timeout", () => away(true));
document.addEventListener("htmx:responseError", (e) => {
  if (e.detail.xhr.status === 401) location.reload();
  else if (!e.detail.elt.hasAttribute("data-retry")) away(true);
});
document.addEventListener("htmx:afterOnLoad", (e) => {
  away(false);
  // A page that had no answer has one now.
  if (e.detail.elt.hasAttribute("data-retry") && e.detail.xhr.status === 200) location.reload();
});

// Tips close on Escape.
document.addEventListener("keydown", (e) => {
  if (e.key !== "Escape") return;
  for (const term of document.querySelectorAll(".term:hover, .term:focus")) {
    term.classList.add("closed");
    term.addEventListener("mouseleave", () => term.classList.remove("closed"), { once: true });
    term.addEventListener("blur", () => term.classList.remove("closed"), { once: true });
  }
});

// The theme is chosen at once; without this file the form has a button.
document.addEventListener("change", (e) => {
  const form = e.target.closest("form[data-theme-choice]");
  if (form) form.requestSubmit();
});

// What was done is told once.
if (new URLSearchParams(location.search).has("done")) history.replaceState(null, "", location.pathname);

// A page that is made to be printed.
document.addEventListener("click", (e) => {
  if (e.target.closest("[data-print]")) window.print();
});

// What was asked for may take a while: the button says so, and is not pressed twice.
document.addEventListener("submit", (e) => {
  const button = e.submitter;
  if (!button || e.target.hasAttribute("data-theme-choice") || button.hasAttribute("data-download")) return;
  if (button.getAttribute("aria-busy") === "true") return e.preventDefault();
  button.setAttribute("aria-busy", "true");
  button.dataset.label = button.lastChild.textContent;
  button.lastChild.textContent = "Asking…";
});
// Where the answer is a part of the page, the button is there again after it.
document.addEventListener("htmx:afterRequest", (e) => {
  const button = e.detail.elt.querySelector('button[aria-busy="true"]');
  if (!button) return;
  button.removeAttribute("aria-busy");
  button.lastChild.textContent = button.dataset.label;
});

// Times are in the reader's zone: the server is told which, and writes them so from the next
// answer on. Those of a first answer are written anew here.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && document.documentElement.dataset.zone !== zone) {
  document.cookie = `causeway_zone=${encodeURIComponent(zone)}; path=/; max-age=31536000; samesite=lax`;
  const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric" });
  const hour = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
  for (const t of document.querySelectorAll("time[data-clock]")) t.textContent = `${day.format(new Date(t.dateTime))}, ${hour.format(new Date(t.dateTime))}`;
}

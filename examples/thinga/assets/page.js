// Browsers keep pages in memory for the back button, also those with `Cache-Control: no-store`. A page
// that comes back from there may be of a session that has ended: it is hidden, and loaded again.
"use strict";

window.addEventListener("pageshow", (event) => {
  if (event.persisted) {
    document.documentElement.hidden = true;
    location.reload();
  }
});

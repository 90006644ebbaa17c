// The leaderboard as it changes. The stream ends with the session. Then the browser asks for it
// again by itself, is refused, and this page goes to the login.
"use strict";

const state = document.getElementById("state");
const standings = document.getElementById("standings");
const events = new EventSource("/live/events");

events.addEventListener("open", () => {
  state.textContent = "Connected: new votes show up by themselves.";
});
events.addEventListener("standings", (event) => {
  // Lines of the server's own template, which escapes what they show.
  standings.innerHTML = event.data;
});
events.addEventListener("error", () => {
  if (events.readyState === EventSource.CLOSED) {
    location.replace("/login?next=/live&message=ended");
  } else {
    state.textContent = "The connection is lost. Trying again.";
  }
});

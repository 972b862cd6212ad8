// The page reloads its own content while somebody looks at it.
setInterval(async () => {
  if (document.hidden || getSelection().toString()) return;
  const status = document.getElementById("status");
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.status === 401) {
      location.reload(); // The session has ended: the form to sign in.
      return;
    }
    if (!answer.ok) throw new Error(answer.status);
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    const focus = document.activeElement && document.activeElement.getAttribute("href");
    for (const id of ["about", "content"]) document.getElementById(id).replaceChildren(...next.getElementById(id).childNodes);
    if (focus) document.querySelector(`a[href="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
    status.textContent = "";
  } catch {
    status.textContent = "The daemon does not answer; what is shown may be old.";
  }
}, 10000);

"use strict";
(() => {
  const find = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const film = find("#film");
  const { rate, frames } = find("#screening").dataset;
  const [numerator, denominator] = rate.split("/").map(Number);
  const fps = numerator / denominator;
  const total = Number(frames);
  const marks = all("#timeline i");
  const shots = all("#strip button").map((button, index) => ({
    button,
    mark: marks[index],
    section: find(`#shot-${button.dataset.shot}`),
    id: button.querySelector("b").textContent,
    start: Number(button.dataset.start),
    frames: Number(button.dataset.frames),
  }));

  const two = (number) => String(number).padStart(2, "0");
  const timecode = (frame) => {
    const base = Math.round(fps);
    const seconds = Math.floor(frame / base);
    return [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60, frame % base].map(two).join(":");
  };

  // A frame begins at frame / fps. Seek to its middle, so that rounding never shows a neighbour.
  const clamp = (frame) => Math.min(Math.max(frame, 0), total - 1);
  const seek = (frame) => { film.currentTime = (clamp(frame) + 0.5) / fps; show(clamp(frame)); };
  const frameNow = () => clamp(Math.floor(film.currentTime * fps + 0.01));

  // During a dissolve, the later of the two shots counts. There may be titles before the first shot.
  const shotAt = (frame) => shots.findLastIndex((shot) => shot.start <= frame && frame < shot.start + shot.frames);

  let current = null;
  function show(frame) {
    const index = shotAt(frame);
    const shot = shots[index];
    find("#timecode").textContent = timecode(frame);
    find("#place").textContent = `frame ${frame} of ${total}` + (shot ? ` · ${shot.id} +${frame - shot.start}` : " · title");
    find("#playhead").style.left = `${(100 * (frame + 0.5)) / total}%`;
    const slider = find("#timeline");
    slider.setAttribute("aria-valuenow", frame);
    slider.setAttribute("aria-valuetext", `${timecode(frame)}${shot ? `, shot ${shot.id}` : ""}`);
    if (index !== current) select(index);
  }

  function select(index) {
    const before = shots[current];
    if (before) { before.button.removeAttribute("aria-current"); before.mark.classList.remove("on"); }
    current = index;
    const shot = shots[index];
    find("#now").replaceChildren(...(shot ? description(shot) : []));
    if (!shot) return;
    shot.button.setAttribute("aria-current", "true");
    shot.mark.classList.add("on");
    const strip = find("#strip");
    const item = shot.button.parentElement;
    const hidden = item.offsetLeft < strip.scrollLeft + strip.offsetLeft
      || item.offsetLeft + item.offsetWidth > strip.scrollLeft + strip.offsetLeft + strip.clientWidth;
    if (hidden) strip.scrollLeft = item.offsetLeft - strip.offsetLeft - 40;
  }

  function description(shot) {
    const who = document.createElement("p");
    const link = document.createElement("a");
    who.className = "who";
    who.append(shot.id, link);
    link.href = `#${shot.section.id}`;
    link.textContent = "details ↓";
    const slate = shot.section.querySelector(":scope > .notice");
    return [who, ...(slate ? [slate.cloneNode(true)] : []), ...shot.section.querySelector(".about").cloneNode(true).children];
  }

  const toggle = (video) => { if (video.paused) video.play(); else video.pause(); };
  const pauseAt = (frame) => { film.pause(); seek(frame); };
  function previousShot() {
    const frame = frameNow();
    const earlier = shots.filter((shot) => shot.start < frame);
    seek(earlier.length ? earlier[earlier.length - 1].start : 0);
  }
  function nextShot() {
    const frame = frameNow();
    const later = shots.find((shot) => shot.start > frame);
    if (later) seek(later.start);
  }
  function toggleKeys(button) {
    const keys = find("#keys");
    keys.hidden = !keys.hidden;
    button.setAttribute("aria-expanded", String(!keys.hidden));
  }

  // Only one player runs at a time, unless takes play together: starting one pauses the others.
  const takes = all(".take video");
  let together = [];
  film.addEventListener("play", () => { takes.forEach((take) => take.pause()); find("#play").textContent = "❙❙"; });
  film.addEventListener("pause", () => { find("#play").textContent = "▶"; });
  takes.forEach((take) => take.addEventListener("play", () => {
    film.pause();
    if (!together.includes(take)) together = [take];
    takes.filter((other) => !together.includes(other)).forEach((other) => other.pause());
  }));
  function playTogether(section) {
    together = [...section.querySelectorAll(".take video")];
    const run = together.some((take) => take.paused);
    together.forEach((take) => { take.currentTime = 0; if (run) take.play(); else take.pause(); });
  }

  film.addEventListener("timeupdate", () => show(frameNow()));
  film.addEventListener("seeked", () => show(frameNow()));
  if ("requestVideoFrameCallback" in film) {
    const follow = () => { if (!film.paused) show(frameNow()); film.requestVideoFrameCallback(follow); };
    film.requestVideoFrameCallback(follow);
  }

  const timeline = find("#timeline");
  const frameUnder = (event) => {
    const box = timeline.getBoundingClientRect();
    return clamp(Math.floor(((event.clientX - box.left) / box.width) * total));
  };
  timeline.addEventListener("pointerdown", (event) => { timeline.setPointerCapture(event.pointerId); pauseAt(frameUnder(event)); });
  timeline.addEventListener("pointermove", (event) => { if (timeline.hasPointerCapture(event.pointerId)) seek(frameUnder(event)); });

  async function copy(button) {
    const text = button.dataset.copy;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      getSelection().selectAllChildren(button); // without permission the text is selected, ready for Ctrl+C
      document.execCommand("copy");
    }
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1500);
  }

  const actions = {
    "shot-back": previousShot,
    "frame-back": () => pauseAt(frameNow() - 1),
    "play": () => toggle(film),
    "frame-on": () => pauseAt(frameNow() + 1),
    "shot-on": nextShot,
    "keys": toggleKeys,
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const { do: action, shot, jump, together: section, copy: text } = button.dataset;
    if (action) actions[action](button);
    else if (shot) seek(shots[shot - 1].start);
    else if (jump) { seek(shots[jump - 1].start); find("#screening").scrollIntoView(); }
    else if (section) playTogether(find(`#shot-${section}`));
    else if (text) copy(button);
    else if (button.id === "theme") toggleTheme();
  });

  const keys = {
    " ": () => toggle(film),
    "ArrowLeft": (event) => pauseAt(frameNow() - (event.shiftKey ? Math.round(fps) : 1)),
    "ArrowRight": (event) => pauseAt(frameNow() + (event.shiftKey ? Math.round(fps) : 1)),
    "[": previousShot,
    "]": nextShot,
    "Home": () => pauseAt(0),
    "End": () => pauseAt(total - 1),
    "Enter": () => shots[current]?.section.scrollIntoView(),
    "f": () => (document.fullscreenElement ? document.exitFullscreen() : film.requestFullscreen()),
    "d": () => toggleTheme(),
    "?": () => toggleKeys(find('[data-do="keys"]')),
  };
  // Buttons, links and players of takes handle these keys themselves.
  const owns = { " ": "button, summary, .take video", "Enter": "button, a, summary" };
  const inFilm = ["Home", "End"]; // elsewhere they scroll the page
  document.addEventListener("keydown", (event) => {
    const action = keys[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest(owns[event.key] ?? ".take video")) return;
    if (inFilm.includes(event.key) && !event.target.closest("#screening")) return;
    event.preventDefault();
    action(event);
  });

  const theme = find("#theme");
  function setTheme(name) {
    document.documentElement.dataset.theme = name;
    theme.textContent = name === "dark" ? "Light" : "Dark";
    theme.setAttribute("aria-pressed", String(name === "light"));
  }
  function toggleTheme() {
    const name = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    setTheme(name);
    try { localStorage.setItem("wan-render-theme", name); } catch { /* no storage for files opened from disk */ }
  }
  try { if (localStorage.getItem("wan-render-theme") === "light") setTheme("light"); } catch { /* see above */ }

  show(0);
})();

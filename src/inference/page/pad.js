// Runs once with Gradio's `element`, `server` and `props`: a pad, and the answers to what is on it.
const canvas = element.querySelector("canvas");
const pen = canvas.getContext("2d", { willReadFrequently: true });
const cursor = element.querySelector(".pen");
const hint = element.querySelector(".hint");
const note = element.querySelector(".note");
const file = element.querySelector("input[type=file]");
const label = element.querySelector("label.upload");
const WORDS = note.textContent;
const STEP = 7;
let strokes = []; // each a list of [x, y] in canvas pixels
let picture = null; // a drawable picture that was uploaded, under the strokes
let drawing = null; // the pointer that draws
let keyed = null; // where the keyboard's pen is, and whether it is down
let original = null; // the uploaded picture itself, as long as nothing was drawn on it
let models = props.models; // ids of the runs that answer
let asking = false;
let stale = false; // something changed since the last question

// While the program answers, changes wait; then the newest state is sent, and no other.
async function changed() {
  stale = true;
  if (panels()) panels().dataset.settled = "false";
  if (asking) return;
  asking = true;
  while (stale) {
    stale = false;
    do await new Promise(requestAnimationFrame); while (!panels()); // the page may be incomplete
    try {
      show(await server.answer({ picture: snapshot(), models }));
    } catch (error) {
      say("No answer: the program has ended, or the picture is too large.");
    }
  }
  asking = false;
}

function panels() {
  return document.querySelector("#answers .panels");
}

function snapshot() {
  if (original !== null && !strokes.length) return original;
  return strokes.length || picture ? canvas.toDataURL("image/png") : "";
}

function show(html) {
  panels().innerHTML = html;
  panels().dataset.settled = String(!stale); // whether this is the answer to all that is drawn
}

function redraw() {
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  if (picture) {
    const factor = Math.min(canvas.width / picture.width, canvas.height / picture.height);
    const [width, height] = [picture.width * factor, picture.height * factor];
    pen.drawImage(
      picture, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height
    );
  }
  pen.strokeStyle = pen.fillStyle = "#000";
  pen.lineWidth = 20;
  pen.lineCap = pen.lineJoin = "round";
  for (const stroke of strokes) {
    pen.beginPath();
    pen.moveTo(...stroke[0]);
    for (const point of stroke) pen.lineTo(...point);
    pen.stroke();
  }
  hint.style.display = strokes.length || picture ? "none" : "grid";
}

function clear() {
  strokes = [];
  picture = original = null;
  say(WORDS);
  redraw();
  changed();
}

function undo() {
  if (strokes.length) strokes.pop();
  else picture = original = null;
  redraw();
  changed();
}

function say(words) {
  note.textContent = words;
}

function place(event) {
  const box = canvas.getBoundingClientRect();
  const scale = canvas.width / box.width;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
}

canvas.addEventListener("pointerdown", (event) => {
  if (drawing !== null || event.button !== 0) return; // a second finger does not draw
  drawing = event.pointerId;
  canvas.setPointerCapture(drawing);
  strokes.push([place(event)]);
  redraw();
  changed();
});
canvas.addEventListener("pointermove", (event) => {
  if (event.pointerId !== drawing) return;
  const all = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
  for (const one of all.length ? all : [event]) strokes.at(-1).push(place(one));
  redraw();
  changed();
});
for (const name of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(name, (event) => {
    if (event.pointerId === drawing) drawing = null;
  });
}

function showCursor() {
  cursor.style.left = `${(keyed.x / canvas.width) * 100}%`;
  cursor.style.top = `${(keyed.y / canvas.height) * 100}%`;
  cursor.classList.toggle("down", keyed.down);
}

canvas.addEventListener("focus", () => {
  keyed = keyed || { x: canvas.width / 2, y: canvas.height / 4, down: false };
  showCursor();
});
canvas.addEventListener("keydown", (event) => {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (event.key in moves) {
    const [x, y] = moves[event.key];
    keyed.x = Math.min(canvas.width, Math.max(0, keyed.x + x * STEP));
    keyed.y = Math.min(canvas.height, Math.max(0, keyed.y + y * STEP));
    if (keyed.down) strokes.at(-1).push([keyed.x, keyed.y]);
  } else if (event.key === " " || event.key === "Enter") {
    keyed.down = !keyed.down;
    if (keyed.down) strokes.push([[keyed.x, keyed.y]]);
  } else if (event.key === "Backspace") {
    keyed.down = false;
    undo();
  } else if (event.key === "Escape") {
    keyed.down = false;
    clear();
  } else return;
  event.preventDefault();
  redraw();
  showCursor();
  if (keyed.down) changed();
});

function take(chosen) {
  if (!chosen) return;
  const most = props.most_bytes;
  if (chosen.size > most) {
    say(`${chosen.name || "The picture"} is larger than ${Math.round(most / 1e6)} MB; make it smaller.`);
    return;
  }
  const reader = new FileReader();
  reader.onload = () => {
    strokes = [];
    picture = null;
    original = reader.result;
    say(chosen.name || "pasted picture");
    changed();
    const image = new Image();
    image.onload = () => { picture = image; redraw(); };
    image.onerror = redraw; // no picture, or one that only the program can read
    image.src = reader.result;
  };
  reader.readAsDataURL(chosen);
}

element.querySelector(".clear").addEventListener("click", clear);
element.querySelector(".undo").addEventListener("click", undo);
file.addEventListener("change", () => { take(file.files[0]); file.value = ""; });
label.addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === " ") { event.preventDefault(); file.click(); }
});
document.addEventListener("paste", (event) => take(event.clipboardData.files[0]));
element.addEventListener("dragover", (event) => event.preventDefault());
element.addEventListener("drop", (event) => {
  event.preventDefault();
  take(event.dataTransfer.files[0]);
});
document.addEventListener("models", (event) => {
  models = event.detail;
  changed();
});
redraw();
changed(); // the models wait

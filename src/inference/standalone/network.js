// The network and its answer on the page; MODEL is what the program has written into it.
const MAX_BARS = 12, MAX_SIDE = 512;
const ACTIVATIONS = {
  none: (x) => x,
  relu: (x) => Math.max(0, x),
  leaky_relu: (x) => (x < 0 ? 0.01 * x : x),
  tanh: Math.tanh,
  silu: (x) => x / (1 + Math.exp(-x)),
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
};

function erf(x) { // Abramowitz and Stegun 1964, 7.1.26
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const sum = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - sum * Math.exp(-x * x));
}

function unpacked(text) { // half-precision numbers in base64
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return Float32Array.from(new Uint16Array(bytes.buffer), (bits) => {
    const sign = bits & 0x8000 ? -1 : 1, power = (bits >> 10) & 31, rest = (bits & 1023) / 1024;
    return sign * (power === 0 ? rest * 2 ** -14 : (1 + rest) * 2 ** (power - 15));
  });
}

const MEMBERS = MODEL.members.map((layers) => layers.map((layer) => ({
  weights: unpacked(layer.weights), biases: unpacked(layer.biases), act: ACTIVATIONS[layer.activation],
})));

function probabilities(pixels) { // grey values 0..255, as prepare gives them
  const sum = new Float64Array(MODEL.classes.length);
  for (const layers of MEMBERS) {
    let values = Float32Array.from(pixels, (value) => value / 255);
    for (const { weights, biases, act } of layers) {
      const inputs = values;
      values = biases.map((bias, unit) => {
        let response = bias;
        for (let k = 0, at = unit * inputs.length; k < inputs.length; k++) response += weights[at + k] * inputs[k];
        return act(response);
      });
    }
    shares(values).forEach((share, k) => { sum[k] += share / MEMBERS.length; });
  }
  return Array.from(sum);
}

function shares(logits) {
  const most = Math.max(...logits);
  const odds = Array.from(logits, (x) => (MODEL.loss === "softmax" ? Math.exp(x - most) : 1 / (1 + Math.exp(-x))));
  const total = odds.reduce((a, b) => a + b);
  return odds.map((value) => value / total);
}

function recognise(values, height, width) {
  const prepared = prepare(values, height, width, MODEL.form), given = probabilities(prepared.pixels);
  const best = given.indexOf(Math.max(...given));
  const usual = MODEL.form.digits[best] || 1;
  let status = prepared.problem || (prepared.digits > usual ? "several digits" : null);
  status = status || (given[best] < MODEL.threshold ? "unsure" : "recognised");
  return { ...prepared, probabilities: given, best, status };
}

const SAID = {
  "no ink": () => "No ink to be seen.",
  "several digits": () => "These look like several digits; give one at a time.",
  unsure: ({ best }) => `Unsure; it looks most like ${MODEL.classes[best]}.`,
  recognised: ({ best }) => `This is ${MODEL.classes[best]}.`,
};

function panel(answer) {
  const section = document.createElement("section");
  section.className = "answer";
  section.dataset.status = answer ? answer.status : "waiting";
  section.innerHTML = `<h2></h2><div class="top"><span class="label"></span></div>
    <div class="said"><p></p></div><ul class="bars" aria-label="probability of each class"></ul>
    <p class="small"></p>`;
  section.querySelector("h2").textContent = MODEL.name;
  section.querySelector(".small").textContent =
    `Orange line: ${MODEL.rule}.`;
  const sure = answer && answer.status === "recognised";
  section.querySelector(".label").textContent = !answer ? "" : sure ? MODEL.classes[answer.best] : "?";
  section.querySelector(".said p").textContent =
    answer ? SAID[answer.status](answer) : "Draw one digit, large, in one or several strokes.";
  if (answer) section.querySelector(".top").prepend(seen(answer.pixels));
  const counts = answer && answer.status !== "no ink" && answer.status !== "several digits";
  const given = MODEL.classes.map((_, k) => (counts ? answer.probabilities[k] : 0));
  const likeliest = [...given.keys()].sort((a, b) => given[b] - given[a]).slice(0, MAX_BARS);
  for (const k of likeliest.sort((a, b) => a - b)) {
    const share = given[k], row = document.createElement("li");
    row.className = counts && k === answer.best ? "best" : "";
    row.innerHTML = `<span></span><span class="track"><span class="bar" style="width:${100 * share}%"></span>
      <span class="line" style="left:${100 * MODEL.threshold}%"></span></span>
      <span>${(Math.floor(1000 * share) / 10).toFixed(1)} %</span>`;
    row.firstChild.textContent = MODEL.classes[k];
    section.querySelector(".bars").append(row);
  }
  return section.outerHTML;
}

function seen(pixels) { // what the network sees
  const canvas = document.createElement("canvas"), image = document.createElement("img");
  [canvas.width, canvas.height] = [MODEL.form.width, MODEL.form.height];
  const pen = canvas.getContext("2d"), grey = pen.createImageData(canvas.width, canvas.height);
  pixels.forEach((value, i) => grey.data.set([value, value, value, 255], 4 * i));
  pen.putImageData(grey, 0, 0);
  image.className = "seen";
  image.alt = `the ${canvas.height} x ${canvas.width} pixels that the network saw`;
  image.src = canvas.toDataURL("image/png");
  return image;
}

// What the pad calls in place of the program: answers to a picture as a data URL.
const server = {
  async answer({ picture }) {
    if (!picture) return panel(null);
    const image = new Image(), canvas = document.createElement("canvas");
    image.src = picture;
    await image.decode();
    const factor = Math.min(1, MAX_SIDE / Math.max(image.width, image.height));
    [canvas.width, canvas.height] = [image.width, image.height].map((n) => Math.round(n * factor));
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.fillStyle = "#fff"; // where it is transparent
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(image, 0, 0, canvas.width, canvas.height);
    const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
    const grey = Float64Array.from({ length: data.length / 4 },
      (_, i) => (data[4 * i] + data[4 * i + 1] + data[4 * i + 2]) / 765);
    return panel(recognise(grey, canvas.height, canvas.width));
  },
};

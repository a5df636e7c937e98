// A drawing brought into the form of the training images: what src/pictures does with a picture,
// for ink on clean paper. Uneven light, frames and lines are not looked for.
const MIN_CONTRAST = 0.08, FULL_INK = 0.8, BRIDGE = 0.04, SPECK = 0.03, DIGIT_HEIGHT = 0.5;
const ARM = 0.3, TRACE = 0.1, RIM = 0.5, SOFT = 0.08, MAX_STRETCH = 1.25, NEAR_PAPER = 0.25;

function even(value) { // rounds as Python does: halves to the even neighbour
  const low = Math.floor(value), rest = value - low;
  return rest < 0.5 || (rest === 0.5 && low % 2 === 0) ? low : low + 1;
}

// values: grey 0..1, row by row. Returns { pixels: Uint8Array, problem, digits }.
function prepare(values, height, width, form) {
  const own = height === form.height && width === form.width ? asItIs(values, height, width, form) : null;
  if (own !== null) return own;
  const empty = new Uint8Array(form.height * form.width).fill(form.paper);
  const ink = findInk(values, height, width);
  if (ink === null) return { pixels: empty, problem: "no ink", digits: 0 };
  const most = Math.max(1, ...form.digits);
  const problem = ink.digits > most ? "several digits" : null;
  return { pixels: normalised(ink, form), problem, digits: ink.digits };
}

// A picture of the training images' size and background, or of the contrary one; null of any other.
function asItIs(values, height, width, form) {
  const amount = values.map((value) => (255 * value - form.paper) / (form.ink - form.paper));
  const isBorder = (y, x) => y === 0 || y === height - 1 || x === 0 || x === width - 1;
  const paper = quantile(amount.filter((_, i) => isBorder(Math.floor(i / width), i % width)), 0.5);
  const contrary = Math.abs(paper - 1) < NEAR_PAPER;
  if (Math.abs(paper) >= NEAR_PAPER && !contrary) return null;
  const [low, high] = extent(amount), problem = high - low < NEAR_PAPER ? "no ink" : null;
  const grey = (share) => form.paper + (form.ink - form.paper) * Math.min(1, Math.max(0, share));
  const pixels = Uint8Array.from(contrary ? amount : values,
    (value) => even(contrary ? grey(1 - value) : 255 * value));
  return { pixels, problem, digits: 1 };
}

function findInk(values, height, width) {
  const sides = [];
  for (let x = 0; x < width; x++) sides.push(values[x], values[(height - 1) * width + x]);
  for (let y = 0; y < height; y++) sides.push(values[y * width], values[y * width + width - 1]);
  const paper = quantile(sides, 0.5), darker = paper > 0.5;
  const difference = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) {
    difference[i] = darker ? Math.max(0, paper - values[i]) / paper : values[i] - paper;
  }
  return inkOf(cropped(difference, height, width, Math.max(height, width) / 400));
}

// The part of a picture that is not empty, with room for the blur around it, or all of it where
// that reaches a side. outside: how many empty pixels were left out.
function cropped(difference, height, width, deviation) {
  const room = Math.floor(4 * deviation + 0.5) + 1;
  const [top, bottom, left, right] = ends(difference, height, width);
  const inside = bottom >= 0 && Math.min(top, left) > room
    && bottom + room < height - 1 && right + room < width - 1;
  if (!inside) return { difference, height, width, deviation, outside: 0 };
  const [rows, columns] = [bottom - top + 1 + 2 * room, right - left + 1 + 2 * room];
  const part = new Float64Array(rows * columns);
  for (let y = 0; y < rows; y++) {
    const start = (top - room + y) * width + left - room;
    part.set(difference.subarray(start, start + columns), y * columns);
  }
  const outside = height * width - rows * columns;
  return { difference: part, height: rows, width: columns, deviation, outside };
}

function inkOf({ difference, height, width, deviation, outside }) {
  const smooth = blurred(difference, height, width, deviation);
  const [low, high] = extent(smooth);
  if (high - low < MIN_CONTRAST) return null;
  const threshold = otsu(smooth, low, high, outside);
  const above = Uint8Array.from(smooth, (v) => (v > threshold ? 1 : 0));
  const below = smooth.filter((_, i) => !above[i]);
  const level = outside > below.length ? 0 : quantile(below, 0.5);
  const contrast = quantile(difference.filter((_, i) => above[i]), FULL_INK) - level;
  if (!(contrast >= MIN_CONTRAST)) return null;
  const { kept, digits } = parts(above, height, width, outside === 0);
  const amount = difference.map((v) => (v - level) / contrast);
  const [top, bottom, left, right] = ends(kept, height, width);
  const reach = Math.max(2, even(SOFT * (Math.max(bottom - top, right - left) + 1)));
  const near = grown(kept, height, width, reach, (i) => kept[i] || amount[i] > TRACE);
  const box = ends(near.map((on, i) => (on && amount[i] > RIM ? 1 : 0)), height, width);
  const clipped = amount.map((v, i) => (near[i] ? Math.min(1, Math.max(0, v)) : 0));
  return {
    amount: clipped, height, width, digits,
    top: box[0], bottom: box[1] + 1, left: box[2], right: box[3] + 1,
  };
}

function extent(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

// By Hoare's selection, which sorts only as much as is asked for.
function quantile(values, share) {
  const kept = Float64Array.from(values), at = share * (kept.length - 1), place = Math.floor(at);
  let [first, last] = [0, kept.length - 1];
  while (first < last) {
    const pivot = kept[(first + last) >> 1];
    let [i, j] = [first, last];
    while (i <= j) {
      while (kept[i] < pivot) i++;
      while (kept[j] > pivot) j--;
      if (i <= j) { const held = kept[i]; kept[i++] = kept[j]; kept[j--] = held; }
    }
    if (place <= j) last = j;
    else if (place >= i) first = i;
    else break;
  }
  let next = Infinity;
  for (let k = place + 1; k < kept.length; k++) next = Math.min(next, kept[k]);
  return at === place ? kept[place] : kept[place] + (at - place) * (next - kept[place]);
}

function blurred(values, height, width, deviation) {
  const radius = Math.floor(4 * deviation + 0.5), weights = [];
  for (let k = -radius; k <= radius; k++) weights.push(Math.exp(-(k * k) / (2 * deviation ** 2)));
  const total = weights.reduce((a, b) => a + b);
  const mirrored = (k, side) => (k < 0 ? -k - 1 : k >= side ? 2 * side - 1 - k : k);
  const pass = (source, side, step, other, leap) => { // along one side, for each of the other
    const result = new Float64Array(source.length);
    for (let line = 0; line < other; line++) {
      for (let at = 0; at < side; at++) {
        let sum = 0;
        for (let k = -radius; k <= radius; k++) {
          const from = at < radius || at >= side - radius ? mirrored(at + k, side) : at + k;
          sum += weights[k + radius] * source[line * leap + from * step];
        }
        result[line * leap + at * step] = sum / total;
      }
    }
    return result;
  };
  return pass(pass(values, height, width, width, 1), width, 1, height, width);
}

// Otsu 1979; outside: how many more values there are that are the lowest.
function otsu(values, low, high, outside) {
  const counts = new Float64Array(256), step = (high - low) / 256;
  for (const value of values) counts[Math.min(255, Math.floor((value - low) / step))] += 1;
  counts[0] += outside;
  let below = 0, sum = 0, best = -1, threshold = low;
  const all = values.length + outside;
  const whole = counts.reduce((a, n, k) => a + n * (low + (k + 0.5) * step), 0);
  for (let k = 0; k < 256; k++) {
    below += counts[k];
    sum += counts[k] * (low + (k + 0.5) * step);
    const over = all - below;
    const between = below * over * (sum / below - (whole - sum) / over) ** 2;
    if (between > best) [best, threshold] = [between, low + (k + 1) * step];
  }
  return threshold;
}

// The first and last row and column that hold something.
function ends(mask, height, width) {
  let [top, bottom, left, right] = [height, -1, width, -1];
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (!mask[i]) continue;
      if (y < top) top = y;
      if (y > bottom) bottom = y;
      if (x < left) left = x;
      if (x > right) right = x;
    }
  }
  return [top, bottom, left, right];
}

// The mask after so many steps of growth to all eight neighbours, where they are allowed.
function grown(mask, height, width, steps, allowed = () => true) {
  const result = Uint8Array.from(mask);
  let edge = [];
  result.forEach((on, i) => { if (on) edge.push(i); });
  for (; steps > 0 && edge.length; steps--) {
    const next = [];
    for (const i of edge) {
      around(i, height, width, (j) => {
        if (!result[j] && allowed(j)) { result[j] = 1; next.push(j); }
      });
    }
    edge = next;
  }
  return result;
}

function around(i, height, width, visit) {
  const y = Math.floor(i / width), x = i % width;
  const bottom = Math.min(height - 1, y + 1), right = Math.min(width - 1, x + 1);
  for (let v = Math.max(0, y - 1); v <= bottom; v++) {
    for (let u = Math.max(0, x - 1); u <= right; u++) visit(v * width + u);
  }
}

function parts(above, height, width, whole) {
  const [top, bottom, left, right] = ends(above, height, width);
  const reach = Math.max(1, even((BRIDGE * (Math.max(bottom - top, right - left) + 1)) / 2));
  const near = grown(above, height, width, reach), labels = new Int32Array(near.length);
  const found = [];
  near.forEach((on, start) => {
    if (!on || labels[start]) return;
    const part = new Uint8Array(near.length), stack = [start];
    let area = 0;
    labels[start] = found.length + 1;
    while (stack.length) {
      const i = stack.pop();
      if (above[i]) { part[i] = 1; area += 1; }
      around(i, height, width, (j) => {
        if (near[j] && !labels[j]) { labels[j] = found.length + 1; stack.push(j); }
      });
    }
    found.push({ part, area });
  });
  const largest = Math.max(...found.map((one) => one.area));
  const large = found.filter((one) => one.area >= SPECK * largest);
  const inner = large.filter((one) => !whole || !runsAlong(one.part, height, width));
  const chosen = inner.length ? inner : large;
  const kept = above.map((_, i) => (chosen.some((one) => one.part[i]) ? 1 : 0));
  return { kept, digits: countDigits(chosen.map((one) => ends(one.part, height, width))) };
}

function runsAlong(part, height, width) {
  let [up, down, before, after] = [0, 0, 0, 0];
  for (let x = 0; x < width; x++) { up += part[x]; down += part[(height - 1) * width + x]; }
  for (let y = 0; y < height; y++) { before += part[y * width]; after += part[y * width + width - 1]; }
  return Math.max(up / width, down / width, before / height, after / height) > 0.5;
}

function countDigits(boxes) {
  const highest = Math.max(...boxes.map(([top, bottom]) => bottom - top + 1));
  const high = boxes.filter(([top, bottom]) => bottom - top + 1 >= DIGIT_HEIGHT * highest)
    .map(([, bottom, left, right]) => [left, right + 1, bottom + 1])
    .sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
  let [, right, foot] = high[0], digits = 1;
  for (const [start, stop, low] of high.slice(1)) {
    const near = start - right < ARM * highest, isArm = near && ARM * highest < low - foot;
    if (start >= right && !isArm) [digits, foot] = [digits + 1, low];
    [right, foot] = [Math.max(right, stop), Math.max(foot, low)];
  }
  return digits;
}

function normalised(ink, form) {
  const { height, width } = ink;
  const high = ink.bottom - ink.top, wide = ink.right - ink.left;
  let cell = Math.max(high, wide) / form.longer;
  cell = Math.max(cell, high / form.height, wide / form.width);
  let cells = [cell, cell];
  if (form.sides) {
    const [tall, broad] = [high / form.sides[0], wide / form.sides[1]];
    cells = [Math.max(tall, broad / MAX_STRETCH), Math.max(broad, tall / MAX_STRETCH)];
  }
  let small;
  if (form.by_mass) {
    const box = new Float64Array(high * wide);
    for (let y = 0; y < high; y++) {
      for (let x = 0; x < wide; x++) box[y * wide + x] = ink.amount[(ink.top + y) * width + ink.left + x];
    }
    small = byMass(sampled(box, high, wide, [0, 0], cells, form), cells, high, wide, form);
  } else {
    const corner = [
      (ink.top + ink.bottom) / 2 - form.centre[0] * cells[0],
      (ink.left + ink.right) / 2 - form.centre[1] * cells[1],
    ];
    small = sampled(ink.amount, height, width, corner, cells, form);
  }
  const most = Math.max(1e-6, extent(small)[1]);
  return Uint8Array.from(small, (value) => {
    const share = form.is_binary ? Number(value / most > 0.5) : Math.min(1, value / most);
    return even(form.paper + (form.ink - form.paper) * share);
  });
}

function byMass(small, cells, high, wide, form) {
  const sides = [form.height, form.width], boxes = [high, wide];
  const moves = sides.map((side, axis) => {
    let mass = 0, moment = 0;
    small.forEach((value, i) => {
      const at = axis === 0 ? Math.floor(i / form.width) : i % form.width;
      mass += value;
      moment += value * (at + 0.5);
    });
    const room = side - even(boxes[axis] / cells[axis]);
    return Math.min(room, Math.max(0, even(form.centre[axis] - moment / mass)));
  });
  return small.map((_, i) => {
    const y = (Math.floor(i / form.width) - moves[0] + form.height) % form.height;
    const x = ((i % form.width) - moves[1] + form.width) % form.width;
    return small[y * form.width + x];
  });
}

// The mean amount of ink in each cell of a grid that begins at corner, y and x.
function sampled(amount, height, width, corner, cells, form) {
  const smooth = Math.min(...cells) <= 1;
  const columns = weightsOf(corner[1], cells[1], form.width, width, smooth);
  const rows = weightsOf(corner[0], cells[0], form.height, height, smooth);
  const narrow = new Float64Array(height * form.width), small = new Float64Array(form.height * form.width);
  for (let y = 0; y < height; y++) {
    columns.forEach((some, x) => {
      for (const [at, weight] of some) narrow[y * form.width + x] += weight * amount[y * width + at];
    });
  }
  rows.forEach((some, y) => {
    for (const [at, weight] of some) {
      for (let x = 0; x < form.width; x++) small[y * form.width + x] += weight * narrow[at * form.width + x];
    }
  });
  return small.map((value) => Math.min(1, Math.max(0, value)));
}

// Pillow's resampling: a box where cells are larger than pixels, else a cubic (a = -0.5), between
// ends in single precision. What lies outside has no ink.
function weightsOf(corner, wished, number, side, smooth) {
  const margin = Math.max(0, Math.ceil(-corner) + 1), start = Math.fround(corner + margin) - margin;
  const cell = (Math.fround(corner + number * wished + margin) - margin - start) / number;
  const scale = Math.max(1, cell), support = (smooth ? 2 : 0.5) * scale;
  const filter = smooth ? cubic : (x) => (x > -0.5 && x <= 0.5 ? 1 : 0);
  return Array.from({ length: number }, (_, k) => {
    const middle = start + (k + 0.5) * cell, some = [];
    let total = 0;
    for (let at = Math.floor(middle - support + 0.5); at < Math.floor(middle + support + 0.5); at++) {
      const weight = filter((at - middle + 0.5) / scale);
      total += weight;
      if (at >= 0 && at < side) some.push([at, weight]);
    }
    return some.map(([at, weight]) => [at, weight / total]);
  });
}

function cubic(x) {
  x = Math.abs(x);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

"use strict";
// Draws what the page's data element holds: structures, pLDDT, PAE. Everything else on the page is plain HTML.
(async () => {
  const at = (id) => document.getElementById(id);
  const data = JSON.parse(at("data").textContent);
  const count = data.tokens.length;
  const BANDS = [[90, "#0053d6"], [70, "#65cbf3"], [50, "#ffdb13"], [0, "#ff7d45"]];
  const CHAINS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999", "#5d4e9c"];
  const ids = [...new Set(data.tokens.map(([chain]) => chain))];
  const ofPlddt = (value) => BANDS.find(([least]) => value >= least)?.[1] ?? "#ff7d45";
  const ofChain = (chain) => CHAINS[ids.indexOf(chain) % CHAINS.length];
  const named = ([chain, name]) => `${chain} ${name}`;
  const borders = data.tokens.map((token, i) => i).filter((i) => i && data.tokens[i][0] !== data.tokens[i - 1][0]);

  async function unpack(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  // The structure
  let viewer = null;
  try {
    viewer = $3Dmol.createViewer(at("viewer"), { backgroundColor: "white", antialias: true });
  } catch (error) {
    at("viewer").textContent = "This browser has no WebGL; open the structure file beside this page instead.";
  }

  function paint(faint = false) {
    const byChain = at("colour").value === "chain";
    const shown = new Set([...document.querySelectorAll("#chains input:checked")].map((box) => box.value));
    const colorfunc = (atom) => (byChain ? ofChain(atom.chain) : ofPlddt(atom.b));
    const atoms = { stick: { colorfunc, radius: 0.25 }, sphere: { colorfunc, scale: 0.25 } };
    const polymers = { cartoon: { cartoon: { colorfunc, arrows: true } }, sticks: atoms, spheres: { sphere: { colorfunc, scale: 0.6 } } };
    const thin = { cartoon: { colorfunc, opacity: 0.3 }, line: { colorfunc } };
    viewer.removeAllShapes();
    viewer.setStyle({}, {});
    for (const chain of shown) {
      viewer.setStyle({ chain, hetflag: false }, faint ? thin : polymers[at("style").value]);
      viewer.setStyle({ chain, hetflag: true }, atoms);
    }
    viewer.render();
  }

  async function showStructure(sample) {
    if (!viewer) return;
    const text = new TextDecoder().decode(await unpack(sample.structure));
    viewer.removeAllModels();
    viewer.addModel(text, sample.format);
    viewer.setClickable({}, true, (atom) => {
      at("picked").textContent = `Chain ${atom.chain}, ${atom.resn} ${atom.resi}, atom ${atom.atom}: pLDDT ${atom.b.toFixed(1)}`;
    });
    paint();
    viewer.zoomTo();
    viewer.render();
  }

  // Shows a place that a check names: residues within 6 angstrom as sticks, its atom as a ball
  async function showPlace({ sample, chain, residue, atom, what }) {
    if (!viewer) return;
    if (at("sample").value !== sample) {
      at("sample").value = sample;
      await show();
    }
    document.querySelectorAll("#chains input").forEach((box) => { box.checked ||= box.value === chain; });
    paint(true);
    const place = residue ? { chain, resi: Number(residue), ...(atom && { atom }) } : { chain };
    const near = { or: [place, { within: { distance: 6, sel: place } }] };
    viewer.addStyle({ ...near, byres: true }, { stick: { colorfunc: (each) => ofPlddt(each.b), radius: 0.15 } });
    for (const { x, y, z } of viewer.selectedAtoms(place)) {
      viewer.addSphere({ center: { x, y, z }, radius: 0.5, color: "#c2185b" });
    }
    viewer.zoomTo(near);
    viewer.render();
    at("picked").textContent = what;
    at("viewer").scrollIntoView({ block: "center" });
  }

  // pLDDT
  const [WIDTH, HEIGHT, LEFT, BOTTOM] = [640, 260, 40, 24];
  const x = (i) => LEFT + ((i + 0.5) / count) * (WIDTH - LEFT);
  const y = (value) => (HEIGHT - BOTTOM) * (1 - value / 100) + 12;

  function showPlddt(sample) {
    at("plddt").replaceChildren();
    at("plddt-at").textContent = sample.plddt
      ? "Point at the curve for residue and value."
      : "This sample's values do not fit its structure; they are in its file.";
    if (!sample.plddt) return;
    const parts = [`<svg viewBox="0 0 ${WIDTH} ${HEIGHT + 16}" aria-hidden="true">`];
    for (const value of [0, 50, 70, 90, 100]) {
      parts.push(`<line x1="${LEFT}" x2="${WIDTH}" y1="${y(value)}" y2="${y(value)}" stroke="#d5dae1"/>`,
        `<text x="${LEFT - 6}" y="${y(value) + 4}" text-anchor="end" font-size="12" fill="#566070">${value}</text>`);
    }
    for (const [start, end] of [0, ...borders].map((start, n) => [start, borders[n] ?? count])) {
      const chain = data.tokens[start][0];
      const points = sample.plddt.slice(start, end).map((value, i) => `${x(start + i)},${y(value * 100)}`).join(" ");
      parts.push(`<polyline points="${points}" fill="none" stroke="${ofChain(chain)}" stroke-width="2"/>`);
      parts.push(...sample.plddt.slice(start, end).map((value, i) =>
        `<circle cx="${x(start + i)}" cy="${y(value * 100)}" r="${count > 150 ? 1.5 : 3}" fill="${ofPlddt(value * 100)}" stroke="#1c2430" stroke-width=".4"/>`));
      parts.push(`<text x="${(x(start) + x(end - 1)) / 2}" y="${HEIGHT + 8}" text-anchor="middle" font-size="12" fill="#1c2430">${chain}</text>`);
    }
    parts.push(...borders.map((i) => `<line x1="${x(i - 0.5)}" x2="${x(i - 0.5)}" y1="${y(100)}" y2="${y(0)}" stroke="#566070" stroke-dasharray="4"/>`), "</svg>");
    at("plddt").innerHTML = parts.join("");
  }

  at("plddt").addEventListener("pointermove", (event) => {
    const box = at("plddt").getBoundingClientRect();
    const place = ((event.clientX - box.left) / box.width) * WIDTH;
    const i = Math.floor(((place - LEFT) / (WIDTH - LEFT)) * count);
    if (i < 0 || i >= count || !current().plddt) return;
    at("plddt-at").textContent = `${named(data.tokens[i])}: pLDDT ${(current().plddt[i] * 100).toFixed(1)}`;
  });

  // PAE
  const PIXELS = 1024;
  let matrix = null;
  const cursor = { row: 0, column: 0 };

  async function showPae(sample) {
    const canvas = at("pae");
    const context = canvas.getContext("2d");
    canvas.width = canvas.height = PIXELS;
    matrix = sample.pae && (await unpack(sample.pae));
    at("pae-at").textContent = matrix
      ? "Point at the map, or move with the arrow keys, for residues and ångström."
      : "This sample's map is no part of this page; it is in its file.";
    if (!matrix) return;
    const small = new OffscreenCanvas(count, count);
    const image = small.getContext("2d").createImageData(count, count);
    matrix.forEach((step, i) => {
      const share = Math.min(1, (step * data.paeStep) / 30); // dark green is sure, white is not
      image.data.set([share * 255, 80 + share * 175, 50 + share * 205, 255], i * 4);
    });
    small.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, PIXELS, PIXELS);
    context.fillStyle = "#1c2430";
    for (const i of borders.map((border) => (border / count) * PIXELS)) {
      context.fillRect(i - 1, 0, 2, PIXELS);
      context.fillRect(0, i - 1, PIXELS, 2);
    }
  }

  function tellPae() {
    if (!matrix) return;
    const { row, column } = cursor;
    const error = (matrix[row * count + column] * data.paeStep).toFixed(1);
    at("pae-at").textContent = `${named(data.tokens[row])} → ${named(data.tokens[column])}: ${error} Å`;
  }

  at("pae").addEventListener("pointermove", (event) => {
    const box = at("pae").getBoundingClientRect();
    const index = (place, size) => Math.min(count - 1, Math.max(0, Math.floor((place / size) * count)));
    cursor.column = index(event.clientX - box.left, box.width);
    cursor.row = index(event.clientY - box.top, box.height);
    tellPae();
  });

  at("pae").addEventListener("keydown", (event) => {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (!(event.key in moves)) return;
    event.preventDefault();
    const [rows, columns] = moves[event.key];
    cursor.row = Math.min(count - 1, Math.max(0, cursor.row + rows));
    cursor.column = Math.min(count - 1, Math.max(0, cursor.column + columns));
    tellPae();
  });

  // All together
  const current = () => data.samples[Number(at("sample").value)];

  async function show() {
    const sample = current();
    document.querySelectorAll(".of-sample").forEach((part) => { part.hidden = Number(part.dataset.sample) !== sample.rank; });
    document.querySelectorAll(".sample-shown").forEach((name) => { name.textContent = `sample ${sample.rank + 1}`; });
    showPlddt(sample);
    await Promise.all([showStructure(sample), showPae(sample)]);
    document.body.dataset.shown = sample.rank;
  }

  at("sample").addEventListener("change", show);
  const repaint = () => viewer && paint();
  at("colour").addEventListener("change", repaint);
  at("style").addEventListener("change", repaint);
  at("chains").addEventListener("change", repaint);
  at("reset").addEventListener("click", () => { if (viewer) { paint(); viewer.zoomTo(); viewer.render(); } });
  document.querySelectorAll("button.show").forEach((button) => button.addEventListener("click", () => showPlace(button.dataset)));
  await show();
})();

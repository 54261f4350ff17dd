// Draws the scenes of a report on 2D canvases: cameras with their images, hull points, axes. No library, no network.
"use strict";
(() => {
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const ALL = 2.5; // radii of the scene, from where all cameras are seen
  const FILL = 0.36; // of the canvas' smaller side, the animal's reach to each side of its middle
  const CELLS = 6; // an image is drawn as CELLS x CELLS pieces, each by an affine map: perspective to a fraction of a pixel

  class Scene {
    constructor(canvas, data) {
      this.canvas = canvas;
      this.context = canvas.getContext("2d");
      this.shown = { cameras: true, images: true, hull: true };
      this.load(data);
      this.listen();
      new ResizeObserver(() => { if (!this.zoomed) this.fitted = false; this.later(); }).observe(canvas);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.later());
    }

    // On the animal, as large as fits well; or from so far that all cameras are seen.
    home(all = false) {
      this.azimuth = -0.9; this.elevation = 0.42; this.shift = [0, 0];
      this.all = all || !this.data.subject;
      this.target = this.all ? [0, 0, 0] : this.data.subject.middle;
      this.fitted = this.zoomed = false;
    }

    fit() {
      const reach = this.data.subject?.reach ?? 0;
      const near = (this.focal * reach) / (FILL * Math.min(this.width, this.height));
      this.distance = this.all ? ALL : Math.min(ALL, Math.max(near, 1.5 * reach));
      this.fitted = true;
    }

    load(data) {
      this.data = data;
      this.hull = null;
      if (data.hull) {
        const raw = bytes(data.hull.positions), n = data.hull.count;
        const view = new DataView(raw.buffer);
        const at = new Float32Array(3 * n);
        for (let k = 0; k < 3 * n; k++) at[k] = (view.getInt16(2 * k, true) / 32767) * data.hull.extent;
        this.hull = { n, at, normal: new Int8Array(bytes(data.hull.normals).buffer), colour: bytes(data.hull.colours), size: data.hull.size };
      }
      this.images = data.cameras.map((camera) => {
        if (!camera.image) return null;
        const image = new Image();
        image.onload = () => this.later();
        image.src = camera.image;
        return image;
      });
      this.home(this.all);
      this.later();
    }

    later() {
      if (this.waiting) return;
      this.waiting = true;
      requestAnimationFrame(() => { this.waiting = false; this.draw(); });
    }

    // World (z up) to the canvas: [x, y, depth]; null behind the eye.
    project(p) {
      const [x, y, z] = p.map((v, k) => v - this.target[k]);
      const ca = Math.cos(this.azimuth), sa = Math.sin(this.azimuth), ce = Math.cos(this.elevation), se = Math.sin(this.elevation);
      const right = -sa * x + ca * y, out = ca * x + sa * y;
      const up = ce * z - se * out, depth = this.distance - (ce * out + se * z);
      if (depth < 0.02 * this.distance) return null;
      const scale = (this.focal / depth);
      return [this.width / 2 + this.shift[0] + right * scale, this.height / 2 + this.shift[1] - up * scale, depth];
    }

    draw() {
      const ratio = window.devicePixelRatio || 1, c = this.context;
      this.width = this.canvas.clientWidth; this.height = this.canvas.clientHeight;
      if (!this.width) return;
      this.canvas.width = Math.round(this.width * ratio); this.canvas.height = Math.round(this.height * ratio);
      c.setTransform(ratio, 0, 0, ratio, 0, 0);
      c.clearRect(0, 0, this.width, this.height);
      this.focal = Math.min(this.width, 1.5 * this.height) * 1.05;
      if (!this.fitted) this.fit();
      this.words = [];
      this.ground();
      // Painter's order: whole cameras and the hull as one body, farthest first.
      const items = this.shown.cameras ? this.data.cameras.map((camera, k) => [this.project(camera.centre)?.[2] ?? -1, () => this.camera(camera, k)]) : [];
      if (this.shown.hull) items.push([this.distance, () => this.points()]);
      items.sort((a, b) => b[0] - a[0]).forEach(([, paint]) => paint());
      this.write();
    }

    line(a, b, colour, width = 1, dash = []) {
      const p = this.project(a), q = this.project(b), c = this.context;
      if (!p || !q) return;
      c.beginPath(); c.moveTo(p[0], p[1]); c.lineTo(q[0], q[1]);
      c.strokeStyle = colour; c.lineWidth = width; c.setLineDash(dash); c.stroke(); c.setLineDash([]);
    }

    label(p, text, colour, dy = -6) {
      const q = this.project(p);
      if (q) this.words.push({ text, colour, x: q[0], y: q[1] + dy });
    }

    // Over all else, each above those that it would lie on.
    write() {
      const c = this.context, placed = [], high = 14;
      c.font = "600 12px system-ui, sans-serif"; c.textAlign = "center"; c.lineWidth = 3; c.strokeStyle = css("--paper");
      this.words.sort((a, b) => b.y - a.y);
      for (const word of this.words) {
        word.half = c.measureText(word.text).width / 2 + 2;
        while (placed.some((o) => Math.abs(o.y - word.y) < high && Math.abs(o.x - word.x) < o.half + word.half)) word.y -= high / 2;
        placed.push(word);
        c.strokeText(word.text, word.x, word.y); c.fillStyle = word.colour; c.fillText(word.text, word.x, word.y);
      }
    }

    ground() {
      const o = this.data.origin, half = 0.6, faint = css("--line");
      for (let k = -3; k <= 3; k++) {
        const d = (k / 3) * half;
        this.line([o[0] - half, o[1] + d, o[2]], [o[0] + half, o[1] + d, o[2]], faint);
        this.line([o[0] + d, o[1] - half, o[2]], [o[0] + d, o[1] + half, o[2]], faint);
      }
      [["x", [1, 0, 0], "#d33"], ["y", [0, 1, 0], "#2a2"], ["z, up", [0, 0, 1], "#36f"]].forEach(([name, d, colour]) => {
        const tip = o.map((v, k) => v + 0.42 * d[k]);
        this.line(o, tip, colour, 2);
        this.label(tip, name, colour);
      });
    }

    camera(camera, k) {
      const ink = css("--blue"), [a, b, , d] = camera.corners;
      camera.corners.forEach((corner) => this.line(camera.centre, corner, ink, 1));
      if (this.shown.images && this.images[k]?.complete && this.images[k].naturalWidth) this.image(this.images[k], camera.corners);
      camera.corners.forEach((corner, i) => this.line(corner, camera.corners[(i + 1) % 4], ink, 1.5));
      // A roof over the upper edge says which way the image stands.
      const roof = a.map((v, i) => (v + b[i]) / 2 - 0.18 * (d[i] - a[i]));
      this.line(a, roof, ink, 1.5); this.line(b, roof, ink, 1.5);
      this.label(roof, camera.name, css("--ink"));
    }

    image(image, [a, b, c3, d]) {
      const at = (u, v) => this.project(a.map((x, i) => (1 - v) * ((1 - u) * x + u * b[i]) + v * ((1 - u) * d[i] + u * c3[i])));
      const w = image.naturalWidth / CELLS, h = image.naturalHeight / CELLS;
      for (let i = 0; i < CELLS; i++) for (let j = 0; j < CELLS; j++) {
        const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
        const p = corners.map(([x, y]) => at(x / CELLS, y / CELLS));
        if (p.some((q) => !q)) continue;
        this.piece(image, i * w, j * h, w, h, p[0], p[1], p[3], [p[0], p[1], p[2], p[3]]);
      }
    }

    piece(image, x, y, w, h, o, right, down, clip) {
      const c = this.context, middle = [0, 1].map((k) => clip.reduce((s, p) => s + p[k], 0) / 4);
      c.save(); c.beginPath();
      // Grown by half a pixel: no seams between neighbours.
      clip.forEach((p) => {
        const dx = p[0] - middle[0], dy = p[1] - middle[1], f = 1 + 0.6 / Math.max(Math.hypot(dx, dy), 1);
        c.lineTo(middle[0] + dx * f, middle[1] + dy * f);
      });
      c.closePath(); c.clip();
      c.transform((right[0] - o[0]) / w, (right[1] - o[1]) / w, (down[0] - o[0]) / h, (down[1] - o[1]) / h, o[0], o[1]);
      const sx = Math.max(0, x - 1), sy = Math.max(0, y - 1), ex = Math.min(image.naturalWidth, x + w + 1), ey = Math.min(image.naturalHeight, y + h + 1);
      c.drawImage(image, sx, sy, ex - sx, ey - sy, sx - x, sy - y, ex - sx, ey - sy);
      c.restore();
    }

    points() {
      const hull = this.hull, c = this.context;
      if (!hull) return;
      const light = [Math.cos(this.azimuth + 0.6) * 0.7, Math.sin(this.azimuth + 0.6) * 0.7, 0.75];
      const seen = [];
      for (let k = 0; k < hull.n; k++) {
        const p = this.project([hull.at[3 * k], hull.at[3 * k + 1], hull.at[3 * k + 2]]);
        if (p) seen.push([p[2], p[0], p[1], k]);
      }
      seen.sort((a, b) => b[0] - a[0]);
      for (const [depth, x, y, k] of seen) {
        const n = hull.normal, q = 3 * k, lit = (n[q] * light[0] + n[q + 1] * light[1] + n[q + 2] * light[2]) / 127;
        const flat = !(n[q] || n[q + 1] || n[q + 2]); // a cloud's points have no normals
        const shade = flat ? 1 : 0.75 + 0.45 * Math.max(lit, -0.4), lift = 26 * Math.max(lit, 0);
        const side = Math.max(1.2, (1.5 * hull.size * this.focal) / depth);
        c.fillStyle = `rgb(${hull.colour[q] * shade + lift},${hull.colour[q + 1] * shade + lift},${hull.colour[q + 2] * shade + lift})`;
        c.fillRect(x - side / 2, y - side / 2, side, side);
      }
    }

    turn(da, de) { this.azimuth += da; this.elevation = Math.min(1.55, Math.max(-1.55, this.elevation + de)); this.later(); }
    zoom(f) { this.zoomed = true; this.distance = Math.min(12, Math.max(1.1 * (this.data.subject?.reach ?? 0.15), this.distance * f)); this.later(); }

    listen() {
      const held = new Map(), canvas = this.canvas;
      canvas.addEventListener("pointerdown", (e) => { canvas.setPointerCapture(e.pointerId); held.set(e.pointerId, [e.clientX, e.clientY]); });
      const release = (e) => held.delete(e.pointerId);
      canvas.addEventListener("pointerup", release);
      canvas.addEventListener("pointercancel", release);
      canvas.addEventListener("pointermove", (e) => {
        const last = held.get(e.pointerId);
        if (!last) return;
        const dx = e.clientX - last[0], dy = e.clientY - last[1];
        held.set(e.pointerId, [e.clientX, e.clientY]);
        if (e.shiftKey || e.buttons === 2 || held.size > 1) { this.shift[0] += dx; this.shift[1] += dy; this.later(); }
        else this.turn(-dx * 0.008, dy * 0.008);
      });
      canvas.addEventListener("contextmenu", (e) => e.preventDefault());
      // The wheel zooms only while the scene has the focus: otherwise it would catch a reader who scrolls past.
      canvas.addEventListener("wheel", (e) => {
        if (document.activeElement !== canvas) return;
        e.preventDefault(); this.zoom(Math.exp(e.deltaY * 0.0012));
      }, { passive: false });
      const keys = {
        ArrowLeft: () => this.turn(-0.1, 0), ArrowRight: () => this.turn(0.1, 0), ArrowUp: () => this.turn(0, 0.1),
        ArrowDown: () => this.turn(0, -0.1), "+": () => this.zoom(0.87), "=": () => this.zoom(0.87), "-": () => this.zoom(1.15),
        Home: () => { this.home(); this.later(); }, End: () => { this.home(true); this.later(); },
      };
      canvas.addEventListener("keydown", (e) => {
        if (!keys[e.key] || e.ctrlKey || e.metaKey || e.altKey) return;
        e.preventDefault(); keys[e.key]();
      });
    }
  }

  document.querySelectorAll("[data-scene]").forEach((box) => {
    const blocks = [...box.querySelectorAll("script[type='application/json']")].map((s) => JSON.parse(s.textContent));
    const note = box.querySelector("[data-note]"), canvas = box.querySelector("canvas"), scene = new Scene(canvas, blocks[0]);
    const choose = (k) => { scene.load(blocks[k]); note.textContent = blocks[k].note; };
    note.textContent = blocks[0].note;
    box.querySelectorAll("input[type='radio']").forEach((input) => input.addEventListener("change", () => choose(Number(input.value))));
    box.querySelectorAll("input[data-show]").forEach((input) => input.addEventListener("change", () => { scene.shown[input.dataset.show] = input.checked; scene.later(); }));
    box.querySelectorAll("button[data-do]").forEach((button) => button.addEventListener("click", () => {
      ({ left: () => scene.turn(-0.25, 0), right: () => scene.turn(0.25, 0), in: () => scene.zoom(0.8), out: () => scene.zoom(1.25), animal: () => { scene.home(); scene.later(); }, cameras: () => { scene.home(true); scene.later(); } })[button.dataset.do]();
    }));
    canvas.scene = scene;
  });
})();

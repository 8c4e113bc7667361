// What the page was given. Matrices are unpacked when they are looked at, and the last ones are kept.

const KEPT = 48;

export class Content {
  constructor(data) {
    Object.assign(this, data);
    this.unpacked = new Map();
  }

  map(kind) {
    return this.maps.find((map) => map.kind === kind);
  }

  // Labels of a kind's rows, which look, and of its columns, which are looked at.
  labels(kind) {
    if (kind === "encoder") return { rows: this.source.tokens, columns: this.source.tokens };
    return { rows: this.target.written, columns: kind === "decoder" ? this.target.read : this.source.tokens };
  }

  // The matrices of one head; without gradients where the loss is null or has none for this kind.
  async head(kind, layer, head, loss) {
    const map = this.map(kind);
    const packed = loss === null ? undefined : this.gradients[loss][kind]?.[layer];
    const count = map.heads * map.rows;
    const [weights, gradients, places] = await Promise.all([
      this.remembered(map.weights[layer], (buffer) => rowsOf(buffer, count, this.bits, false)),
      packed && this.remembered(packed, (buffer) => rowsOf(buffer, count, this.bits, true)),
      map.places && this.remembered(map.places[layer], (buffer) => new Uint16Array(buffer)),
    ]);
    return new Head(this, map, head, weights, gradients ?? null, places);
  }

  async remembered(packed, read) {
    const found = this.unpacked.get(packed) ?? unpack(packed).then(read);
    this.unpacked.delete(packed); // the newest come last
    this.unpacked.set(packed, found);
    if (this.unpacked.size > KEPT) this.unpacked.delete(this.unpacked.keys().next().value);
    return found;
  }
}

// The weights of one head, and their gradients.
class Head {
  constructor(content, { kind, rows, columns, causal }, head, weights, gradients, places) {
    Object.assign(this, { kind, rows, columns, causal, labels: content.labels(kind) });
    this.before = kind === "encoder" ? null : content.target.read; // what a row has just read
    this.thinned = places !== null;
    this.weights = values(weights, head, rows, columns, places);
    this.differences = gradients && values(gradients, head, rows, columns, places);
    this.means = gradients && gradients.means.subarray(head * rows, (head + 1) * rows);
    this.largest = {};
  }

  has(quantity) {
    return quantity === "weights" || this.differences !== null;
  }

  hidden(row, column) {
    return this.causal && column > row;
  }

  // Whether the page has this weight, and with it the gradients.
  stored(row, column) {
    return !this.hidden(row, column) && (!this.thinned || this.weights[row * this.columns + column] > 0);
  }

  at(quantity, row, column) {
    const place = row * this.columns + column;
    if (quantity === "weights") return this.weights[place];
    if (!this.stored(row, column)) return 0;
    if (quantity === "dweights") return this.means[row] + this.differences[place];
    return this.weights[place] * this.differences[place];
  }

  // The largest absolute value, by which colours are chosen.
  most(quantity) {
    this.largest[quantity] ??= this.findMost(quantity);
    return this.largest[quantity];
  }

  findMost(quantity) {
    let most = 0;
    for (let row = 0; row < this.rows; row += 1) {
      for (let column = 0; column < this.columns; column += 1) {
        most = Math.max(most, Math.abs(this.at(quantity, row, column)));
      }
    }
    return most;
  }
}

function values({ whole, scales }, head, rows, columns, places) {
  const found = new Float32Array(rows * columns);
  const width = whole.length / scales.length; // numbers of a row that are there
  for (let row = 0; row < rows; row += 1) {
    const scale = scales[head * rows + row];
    const first = (head * rows + row) * width;
    for (let i = 0; i < width; i += 1) {
      found[row * columns + (places === null ? i : places[first + i])] = whole[first + i] * scale;
    }
  }
  return found;
}

// From base64 of a zlib stream to bytes.
async function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

// From bytes to the scale of each of `count` rows, its mean where there is one, and its whole numbers.
function rowsOf(buffer, count, bits, signed) {
  const Whole = { 8: [Uint8Array, Int8Array], 16: [Uint16Array, Int16Array] }[bits][Number(signed)];
  return {
    scales: new Float32Array(buffer, 0, count),
    means: signed ? new Float32Array(buffer, 4 * count, count) : null,
    whole: new Whole(buffer, 4 * count * (signed ? 2 : 1)),
  };
}

// Attention with one thread a row, to be read: the first rung of the GPU's ladder, and the one for float64.
//
// Forward and dq have a thread for each query, which goes through the keys; dk and dv one for each key, which goes
// through the queries. Every thread reads what it needs from global memory, and nothing is shared.
//
// Macros: real, float or double.

DEVICE real dot(const real* a, const real* b, int size) {
    real total = 0;
    for (int i = 0; i < size; ++i) total += a[i] * b[i];
    return total;
}

// total += factor * vector
DEVICE void add(real* total, real factor, const real* vector, int size) {
    for (int i = 0; i < size; ++i) total[i] += factor * vector[i];
}

DEVICE void fill(real* vector, real value, int size) {
    for (int i = 0; i < size; ++i) vector[i] = value;
}

// out = sum_s keep_s weight_s v_s, with weight_s = exp(score_s - lse) and score_s = scale q . k_s
extern "C" __global__ void __launch_bounds__(128) attention_forward(
    const real* __restrict__ q, const real* __restrict__ k, const real* __restrict__ v,
    const bool* __restrict__ visible, const int* __restrict__ seen, real* __restrict__ out, real* __restrict__ lse,
    i64 rows, int heads, int targets, int sources, int d_k, int d_v, int offset, real scale,
    u64 base, unsigned threshold, real factor) {
    const i64 row = blockIdx.x * (i64)blockDim.x + threadIdx.x;  // (b H + h) T + t
    if (row >= rows) return;
    const i64 bh = row / targets, b = bh / heads;
    const Sight sight(visible, seen, b, sources, offset);
    const int t = (int)(row % targets), stop = sight.seen_by(t);
    const unsigned hashed = row_hash(base, row);
    q += row * d_k, k += bh * sources * d_k, v += bh * sources * d_v, out += row * d_v;

    fill(out, 0, d_v);
    if (sight.blind(t)) {
        lse[row] = MINUS_INFINITY;
        return;
    }
    real largest = MINUS_INFINITY;
    for (int s = 0; s < stop; ++s)
        if (sight.sees(t, s)) largest = max(largest, scale * dot(q, k + (i64)s * d_k, d_k));
    real total = 0;
    for (int s = 0; s < stop; ++s) {
        if (!sight.sees(t, s)) continue;
        const real weight = exp(scale * dot(q, k + (i64)s * d_k, d_k) - largest);
        total += weight;
        add(out, weight * keep_factor(hashed, s, threshold, factor), v + (i64)s * d_v, d_v);
    }
    for (int d = 0; d < d_v; ++d) out[d] /= total;
    lse[row] = largest + log(total);
}

// dscore_s = weight_s (dweight_s - delta) with dweight_s = keep_s dout . v_s and delta = sum_s weight_s dweight_s, which
// is dout . out; dq = scale sum_s dscore_s k_s. Writes delta for the kernel below.
extern "C" __global__ void __launch_bounds__(128) attention_backward_q(
    const real* __restrict__ q, const real* __restrict__ k, const real* __restrict__ v,
    const bool* __restrict__ visible, const int* __restrict__ seen, const real* __restrict__ out,
    const real* __restrict__ lse, const real* __restrict__ dout, real* __restrict__ delta, real* __restrict__ dq,
    i64 rows, int heads, int targets, int sources, int d_k, int d_v, int offset, real scale,
    u64 base, unsigned threshold, real factor) {
    const i64 row = blockIdx.x * (i64)blockDim.x + threadIdx.x;
    if (row >= rows) return;
    const i64 bh = row / targets, b = bh / heads;
    const Sight sight(visible, seen, b, sources, offset);
    const int t = (int)(row % targets), stop = sight.seen_by(t);
    const unsigned hashed = row_hash(base, row);
    q += row * d_k, k += bh * sources * d_k, v += bh * sources * d_v;
    out += row * d_v, dout += row * d_v, dq += row * d_k;

    fill(dq, 0, d_k);
    delta[row] = dot(dout, out, d_v);
    if (sight.blind(t)) return;
    for (int s = 0; s < stop; ++s) {
        if (!sight.sees(t, s)) continue;
        const real weight = exp(scale * dot(q, k + (i64)s * d_k, d_k) - lse[row]);
        const real dweight = keep_factor(hashed, s, threshold, factor) * dot(dout, v + (i64)s * d_v, d_v);
        add(dq, scale * weight * (dweight - delta[row]), k + (i64)s * d_k, d_k);
    }
}

// dv_s = sum_t keep weight dout_t and dk_s = scale sum_t dscore q_t, over the queries t that see key s
extern "C" __global__ void __launch_bounds__(128) attention_backward_kv(
    const real* __restrict__ q, const real* __restrict__ k, const real* __restrict__ v,
    const bool* __restrict__ visible, const int* __restrict__ seen, const real* __restrict__ lse,
    const real* __restrict__ dout, const real* __restrict__ delta, real* __restrict__ dk, real* __restrict__ dv,
    i64 rows, int heads, int targets, int sources, int d_k, int d_v, int offset, real scale,
    u64 base, unsigned threshold, real factor) {
    const i64 row = blockIdx.x * (i64)blockDim.x + threadIdx.x;  // (b H + h) S + s
    if (row >= rows) return;
    const i64 bh = row / sources, b = bh / heads;
    const Sight sight(visible, seen, b, sources, offset);
    const int s = (int)(row % sources), first = sight.first_to_see(s);
    q += bh * targets * d_k, dout += bh * targets * d_v, lse += bh * targets, delta += bh * targets;
    k += row * d_k, v += row * d_v, dk += row * d_k, dv += row * d_v;

    fill(dk, 0, d_k);
    fill(dv, 0, d_v);
    if (!sight.sees(first, s)) return;
    for (int t = first; t < targets; ++t) {
        const real kept = keep_factor(row_hash(base, bh * targets + t), s, threshold, factor);
        const real weight = exp(scale * dot(q + (i64)t * d_k, k, d_k) - lse[t]);
        const real dweight = kept * dot(dout + (i64)t * d_v, v, d_v);
        add(dv, kept * weight, dout + (i64)t * d_v, d_v);
        add(dk, scale * weight * (dweight - delta[t]), q + (i64)t * d_k, d_k);
    }
}

// What the rungs share: which keys a query sees, dropout's mask, and the arguments that all kernels take.
//
//   q (B, H, T, d_k)   k (B, H, S, d_k)   v (B, H, S, d_v)   out, dout (B, H, T, d_v)   lse, delta (B, H, T)
//   visible (B, S)     may the key be attended? Read where MASKED is 1.
//   seen (B, 3)        the first key that may be attended (S where there is none), the end of the last, and the first
//                      that may not (S where there is none). Read where MASKED is 1.
//   offset             query t sees the keys s <= t + offset.
//   base, threshold, factor    dropout's key, as minisora.kernels.random makes it. Read where DROPS is 1.
//
// Macros: MASKED, DROPS (0 or 1), and what a rung names itself.

typedef unsigned long long u64;
typedef long long i64;

// The hash of a row of weights, row = (b H + h) T + t: the low half of SplitMix64, started from the key.
DEVICE unsigned row_hash(u64 base, i64 row) {
    u64 z = base + (u64)(row + 1) * 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return (unsigned)(z ^ (z >> 31));
}

// Is element s of a row kept? ("lowbias32")
DEVICE bool keeps(unsigned hashed_row, int s, unsigned threshold) {
    unsigned x = hashed_row ^ ((unsigned)s * 0x9E3779B1u);
    x = (x ^ (x >> 16)) * 0x7FEB352Du;
    x = (x ^ (x >> 15)) * 0x846CA68Bu;
    return (x ^ (x >> 16)) >= threshold;
}

// What a weight is multiplied with: 0 or 1 / (1 - p) with dropout, 1 without.
template <class Real>
DEVICE Real keep_factor(unsigned hashed_row, int s, unsigned threshold, Real factor) {
    return !DROPS ? Real(1) : keeps(hashed_row, s, threshold) ? factor : Real(0);
}

// Which keys of a sequence the queries may see.
struct Sight {
    const bool* visible;
    int begin, stop, hole, offset;  // may be attended: no key before begin or from stop on, and every key before hole

    DEVICE Sight(const bool* visible, const int* seen, i64 b, int sources, int offset)
        : visible(visible + b * sources), begin(MASKED ? seen[3 * b] : 0), stop(MASKED ? seen[3 * b + 1] : sources),
          hole(MASKED ? seen[3 * b + 2] : sources), offset(offset) {}

    // The end of the keys that query t sees.
    DEVICE int seen_by(int t) const { return min(stop, t + offset + 1); }
    DEVICE bool blind(int t) const { return begin >= seen_by(t); }
    // The first query that sees key s, if any does.
    DEVICE int first_to_see(int s) const { return max(0, s - offset); }
    DEVICE bool sees(int t, int s) const { return s < stop && s <= t + offset && (!MASKED || visible[s]); }
    // Do the queries from t on see all keys before `end`?
    DEVICE bool all_see(int t, int end) const { return end <= hole && end <= t + offset + 1; }
};

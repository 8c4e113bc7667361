// Scores, their logsumexps and weights in base 2, which is what the GPU has an instruction for.

#define MINUS_INFINITY __int_as_float(0xff800000)

static constexpr float LOG2_E = 1.4426950408889634f;
static constexpr float LN_2 = 0.6931471805599453f;
static constexpr float LOWEST = -3.402823466e38f;

// The logsumexp of a row, in natural logarithms, from its largest score in base 2 and the sum of its exponentials.
DEVICE float log_sum(float largest, float total, bool blind) {
    if (blind) return MINUS_INFINITY;
    return total == 0 ? __int_as_float(0x7fc00000) : (largest + log2f(total)) * LN_2;  // 0: every score was -infinity
}

// A logsumexp for backward, in base 2: a row that sees nothing has weights of 0.
DEVICE float base_2(float lse) {
    return lse == MINUS_INFINITY ? -MINUS_INFINITY : lse * LOG2_E;
}

// A weight is at most 1, even where a score and its logsumexp are so large that their rounding is not; NaN stays NaN.
DEVICE float at_most_zero(float x) {
    return x > 0 ? 0 : x;
}

// How tensor cores add, for ptx.hpp and for the products of warpgroups.
#pragma once

#include <math.h>

namespace emulator {

inline float towards_zero(double x) {
    const float nearest = float(x);
    return isinf(nearest) || fabs(double(nearest)) <= fabs(x) ? nearest : nextafterf(nearest, 0);
}

// NVIDIA does not document it, but others have measured: nothing is rounded; of each term, what lies a bit or more below
// the last place of the largest is cut off, and so is what does not fit the result.
// Fasi et al., "Numerical behavior of NVIDIA tensor cores", 2021; Khattak, Mikaitis, "Accurate Models of NVIDIA Tensor
// Cores", 2025: one such bit on the A100, two on the H100.
template <int COUNT>
float truncated_sum(const double (&terms)[COUNT]) {
    double largest = 0, sum = 0;
    for (double term : terms) {
        sum += term;
        largest = fmax(largest, fabs(term));
    }
    if (!isfinite(sum) || largest == 0) return float(sum);
    const int last_place = ilogb(largest) - 24;
    const double places = ldexp(1, -last_place);  // a power of two: exact
    long long whole = 0;
    for (double term : terms) whole += (long long)(term * places);
    return towards_zero(ldexp(double(whole), last_place));
}

}  // namespace emulator

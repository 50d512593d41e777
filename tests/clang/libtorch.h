// Read before everything else when Clang looks at the engine (tests/tidy.sh), never by a build.
//
// LibTorch 1.13 has a std::vector of a type that is not complete yet. Clang refuses that in C++20, where a
// vector's functions are constexpr and therefore instantiated as soon as they are named; GCC waits. So for
// Clang a vector's functions are not constexpr. The one declaration that libstdc++ repeats across headers
// gets another name meanwhile.
#include <string>
#pragma push_macro("_GLIBCXX20_CONSTEXPR")
#undef _GLIBCXX20_CONSTEXPR
#define _GLIBCXX20_CONSTEXPR
#define __fill_a1 __fill_a1_of_bits
#include <vector>
#undef __fill_a1
#pragma pop_macro("_GLIBCXX20_CONSTEXPR")

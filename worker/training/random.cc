#include "worker/training/random.h"

#include <ATen/CPUGeneratorImpl.h>

namespace mind::training {
namespace {

uint64_t Scattered(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

}  // namespace

uint64_t Mixed(uint64_t a, uint64_t b, uint64_t c) {
  return Scattered(Scattered(Scattered(a) ^ b) ^ c);
}

StepRandom::StepRandom(uint64_t seed, int64_t step, int64_t part)
    : generator_(at::make_generator<at::CPUGeneratorImpl>(
          Mixed(seed, static_cast<uint64_t>(step), static_cast<uint64_t>(part)))) {}

at::Tensor StepRandom::Normal(at::IntArrayRef shape) {
  return at::randn(shape, generator_, at::TensorOptions().dtype(at::kFloat));
}

at::Tensor StepRandom::Uniform(at::IntArrayRef shape) {
  return at::rand(shape, generator_, at::TensorOptions().dtype(at::kFloat));
}

at::Tensor StepRandom::Integers(int64_t bound, at::IntArrayRef shape) {
  return at::randint(bound, shape, generator_, at::TensorOptions().dtype(at::kLong));
}

}  // namespace mind::training

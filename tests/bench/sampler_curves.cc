// bench-samplers SVG: how far each sampler's distribution is from the data's, by evaluations of the denoiser,
// on data whose denoiser is known exactly (a mixture of two Gaussians, DDPM's schedule). Draws the curves,
// and prints the table that docs/samplers.md holds.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>

#include "tests/unit/diffusion/exact_model.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/registry.h"

namespace {

using namespace mind::diffusion;

constexpr int64_t kSamples = 1 << 16;
constexpr int64_t kCounts[] = {5, 10, 20, 40, 80, 160};

struct Curve {
  std::string name;
  bool stochastic = false;
  std::map<int64_t, double> error;  // by evaluations
};

// The data's quantiles, from its distribution function by bisection.
at::Tensor DataQuantiles() {
  const at::Tensor p = (at::arange(kSamples, at::kDouble) + 0.5) / kSamples;
  const auto normal = [](const at::Tensor& x) { return (1 + at::erf(x / std::sqrt(2.0))) / 2; };
  at::Tensor low = at::full_like(p, -10), high = at::full_like(p, 10);
  for (int i = 0; i < 60; ++i) {
    const at::Tensor middle = (low + high) / 2;
    const at::Tensor below = (normal((middle + 1) / 0.4) + normal((middle - 1.5) / 0.3)) / 2 < p;
    low = at::where(below, middle, low);
    high = at::where(below, high, middle);
  }
  return low;
}

// Starts at the quantiles of the normal distribution, so that only a sampler's own noise is random.
at::Tensor NormalQuantiles() {
  return at::erfinv(2 * (at::arange(kSamples, at::kDouble) + 0.5) / kSamples - 1) * std::sqrt(2.0);
}

// Distance between distributions: the mean distance of their quantiles (Wasserstein-1).
double Distance(const at::Tensor& samples, const at::Tensor& quantiles) {
  return (std::get<0>(samples.flatten().sort()) - quantiles).abs().mean().item<double>();
}

class Bench {
 public:
  // Runs one sampler; adds a point to its curve.
  void Add(Curve& curve, const std::string& name, int64_t steps, const SamplerParameters& parameters) const {
    try {
      const auto sampler = MakeSampler(name, config_, steps, parameters);
      SampleState state;
      state.noise = std::make_unique<SeededNoise>(1);
      state.x = start_.view({1, 1, -1}) * sampler->initial_scale();
      const int64_t evaluations = exact::Run(*sampler, state, network_);
      curve.error[evaluations] = Distance(state.x, quantiles_);
    } catch (const RequestError&) {
      // Not with so few steps.
    }
  }

  Curve Trace(const SamplerInfo& info) const {
    Curve curve{.name = info.name, .stochastic = info.stochastic, .error = {}};
    if (info.evaluations_per_step == 0) {
      for (const double tolerance : {0.3, 0.1, 0.03, 0.01, 1e-3, 1e-4}) {
        Add(curve, info.name, 1, {{"relative_tolerance", tolerance}, {"absolute_tolerance", tolerance}});
      }
      return curve;
    }
    for (const int64_t count : kCounts) {
      const int64_t steps =
          static_cast<int64_t>(std::round(static_cast<double>(count) / info.evaluations_per_step));
      if (steps > 0) Add(curve, info.name, steps, {});
    }
    return curve;
  }

  std::vector<SamplerInfo> Samplers() const { return SamplersFor(config_); }

 private:
  const SamplerConfig config_;
  const exact::Network network_ = exact::DiscreteNetwork(config_, exact::MixtureNoise);
  const at::Tensor quantiles_ = DataQuantiles();
  const at::Tensor start_ = NormalQuantiles();
};

// A chart with both axes logarithmic; each curve is named at its end.
class Chart {
 public:
  Chart(std::ostream& out, double left, const std::string& title) : out_(out), left_(left) {
    out_ << "<text x='" << left_ + kWidth / 2 << "' y='20' text-anchor='middle' font-weight='bold'>" << title
         << "</text>\n";
    for (double error = kLeast; error <= kMost * 1.01; error *= 10) {
      out_ << "<path d='M" << X(kFewest) << " " << Y(error) << "H" << X(kMostEvaluations)
           << "' stroke='#ddd'/><text x='" << X(kFewest) - 6 << "' y='" << Y(error) + 4
           << "' text-anchor='end'>" << error << "</text>\n";
    }
    for (const int64_t count : kCounts) {
      out_ << "<text x='" << X(static_cast<double>(count)) << "' y='" << Y(kLeast) + 18
           << "' text-anchor='middle'>" << count << "</text>\n";
    }
  }

  // Points outside the chart are left out.
  void Add(const Curve& curve) {
    constexpr const char* kColours[] = {"#4477aa", "#ee6677", "#228833", "#aa7700", "#66ccee",
                                        "#aa3377", "#777777", "#000000", "#994455", "#004488"};
    Name name{.text = curve.name, .colour = kColours[names_.size() % std::size(kColours)]};
    std::string path;
    for (const auto& [evaluations, error] : curve.error) {
      const double count = static_cast<double>(evaluations);
      if (count > kMostEvaluations * 1.01 || error > kMost) continue;
      name.y = Y(std::max(error, kLeast));
      path += (path.empty() ? "M" : "L") + std::to_string(X(count)) + " " + std::to_string(name.y);
    }
    if (path.empty()) return;
    out_ << "<path d='" << path << "' fill='none' stroke='" << name.colour << "' stroke-width='1.5'"
         << (names_.size() >= std::size(kColours) ? " stroke-dasharray='5 3'" : "") << "/>\n";
    names_.push_back(name);
  }

  // Names every curve at its end, at a distance from its neighbours.
  ~Chart() {
    std::sort(names_.begin(), names_.end(), [](const Name& a, const Name& b) { return a.y < b.y; });
    double lowest = Y(kMost) - kLine;
    for (Name& name : names_) lowest = name.y = std::max(name.y, lowest + kLine);
    double highest = Y(kLeast) + kLine;
    for (auto name = names_.rbegin(); name != names_.rend(); ++name) {
      highest = name->y = std::min(name->y, highest - kLine);
    }
    for (const Name& name : names_) {
      out_ << "<text x='" << X(kMostEvaluations) + 8 << "' y='" << name.y + 4 << "' fill='" << name.colour
           << "'>" << name.text << "</text>\n";
    }
  }

  static constexpr double kWidth = 330, kHeight = 330;

 private:
  struct Name {
    std::string text;
    const char* colour;
    double y = 0;
  };
  static constexpr double kLine = 12;
  static constexpr double kLeast = 1e-3, kMost = 1, kFewest = 5, kMostEvaluations = 160;
  double X(double evaluations) const {
    return left_ + kWidth * std::log(evaluations / kFewest) / std::log(kMostEvaluations / kFewest);
  }
  static double Y(double error) { return 40 + kHeight * std::log(kMost / error) / std::log(kMost / kLeast); }

  std::ostream& out_;
  double left_;
  std::vector<Name> names_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: bench-samplers FILE.svg\n");
    return 2;
  }
  const c10::InferenceMode inference;
  const Bench bench;
  std::ostringstream svg;
  svg << "<svg xmlns='http://www.w3.org/2000/svg' width='1030' height='420' font-family='sans-serif' "
         "font-size='11'>\n<rect width='100%' height='100%' fill='white'/>\n";
  {
    Chart deterministic(svg, 60, "Deterministic: distance to the data by evaluations");
    Chart stochastic(svg, 570, "Stochastic: distance to the data by evaluations");
    for (const SamplerInfo& info : bench.Samplers()) {
      if (info.name == "lcm" || info.name == "tcd") continue;  // for students, which answer otherwise
      const Curve curve = bench.Trace(info);
      if (curve.error.empty()) continue;
      std::printf("%-20s", info.name.c_str());
      for (const auto& [evaluations, error] : curve.error) {
        std::printf(" %4ld: %-8.2g", static_cast<long>(evaluations), error);
      }
      std::printf("\n");
      const bool variant = info.name.find("_karras") != std::string::npos;
      if (!variant) (curve.stochastic ? stochastic : deterministic).Add(curve);
    }
  }
  svg << "</svg>\n";
  std::ofstream file(argv[1]);
  file << svg.str();
  file.close();
  return file ? 0 : 1;
}

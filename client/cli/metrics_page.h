// What a program of ours says of itself at its --metrics address.
#ifndef MIND_CLIENT_CLI_METRICS_PAGE_H_
#define MIND_CLIENT_CLI_METRICS_PAGE_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace mind::cli {

struct Sample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;
};

class MetricsPage {
 public:
  // In Prometheus' text format. INVALID_ARGUMENT names the line that is not. `clock`: what the clock there
  // said, to the second; nothing if it did not say.
  static absl::StatusOr<MetricsPage> Parse(const std::string& text, std::optional<absl::Time> clock = {});
  // From HOST:PORT, within five seconds.
  static absl::StatusOr<MetricsPage> Fetch(const std::string& address);

  // The first of that name whose labels hold this one; any, if no label is given.
  std::optional<double> Find(const std::string& name, const std::string& label = "",
                             const std::string& value = "") const;
  // What a label of the first of that name says; empty: there is none.
  std::string Label(const std::string& name, const std::string& label) const;
  const std::vector<Sample>& samples() const { return samples_; }
  const std::optional<absl::Time>& clock() const { return clock_; }

 private:
  std::vector<Sample> samples_;
  std::optional<absl::Time> clock_;
};

}  // namespace mind::cli

#endif  // MIND_CLIENT_CLI_METRICS_PAGE_H_

#include "client/cli/metrics_page.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "proto/support/errors.h"

namespace mind::cli {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using boost::asio::ip::tcp;

constexpr std::chrono::seconds kTimeout{5};
constexpr uint64_t kMostBytes = 16 << 20;

// name{label="value",…}: takes the labels off `line`, up to and with the brace that ends them.
bool TakeLabels(absl::string_view& line, std::map<std::string, std::string>& labels) {
  while (!line.empty() && line.front() != '}') {
    const size_t equals = line.find("=\"");
    if (equals == absl::string_view::npos) return false;
    const std::string name(line.substr(0, equals));
    line.remove_prefix(equals + 2);
    std::string value;
    while (!line.empty() && line.front() != '"') {
      if (line.front() == '\\' && line.size() > 1) line.remove_prefix(1);
      value += line.front();
      line.remove_prefix(1);
    }
    if (line.empty()) return false;
    line.remove_prefix(1);
    if (!line.empty() && line.front() == ',') line.remove_prefix(1);
    labels[name] = value;
  }
  if (line.empty()) return false;
  line.remove_prefix(1);
  return true;
}

// One request on a connection of its own.
class Asking {
 public:
  Asking(const std::string& host, const std::string& port) : stream_(io_) {
    parser_.body_limit(kMostBytes);
    request_.method(http::verb::get);
    request_.target("/metrics");
    request_.version(11);
    request_.set(http::field::host, host);
    request_.set(http::field::connection, "close");
    beast::error_code error;
    const auto found = tcp::resolver(io_).resolve(host, port, error);
    if (error) {
      Fail(error);
      return;
    }
    stream_.expires_after(kTimeout);
    stream_.async_connect(
        found, [this](beast::error_code failed, const tcp::endpoint&) { failed ? Fail(failed) : Write(); });
    io_.run();
  }

  const beast::error_code& error() const { return error_; }
  const http::response<http::string_body>& response() const { return parser_.get(); }

 private:
  void Fail(const beast::error_code& error) { error_ = error; }
  void Write() {
    http::async_write(stream_, request_,
                      [this](beast::error_code failed, size_t) { failed ? Fail(failed) : Read(); });
  }
  void Read() {
    http::async_read(stream_, buffer_, parser_, [this](beast::error_code failed, size_t) { Fail(failed); });
  }

  boost::asio::io_context io_{1};
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  http::request<http::empty_body> request_;
  http::response_parser<http::string_body> parser_;
  beast::error_code error_;
};

}  // namespace

absl::StatusOr<MetricsPage> MetricsPage::Parse(const std::string& text, std::optional<absl::Time> clock) {
  MetricsPage page;
  page.clock_ = clock;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const absl::string_view whole = line;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line.front() == '#') continue;
    Sample sample;
    const size_t end = line.find_first_of("{ ");
    bool good = end != absl::string_view::npos && end > 0;
    if (good) {
      sample.name = std::string(line.substr(0, end));
      const bool labelled = line[end] == '{';
      line.remove_prefix(end + 1);
      good = !labelled || TakeLabels(line, sample.labels);
    }
    const std::vector<absl::string_view> rest = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (!good || rest.empty() || !absl::SimpleAtod(rest[0], &sample.value)) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", Printable({whole.data(), whole.size()}), "\" is no metric"));
    }
    page.samples_.push_back(std::move(sample));
  }
  return page;
}

absl::StatusOr<MetricsPage> MetricsPage::Fetch(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0)
    return absl::InvalidArgumentError(absl::StrCat("\"", address, "\" is not HOST:PORT"));
  std::string host = address.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const Asking asking(host, address.substr(colon + 1));
  if (asking.error()) return absl::UnavailableError(asking.error().message());
  if (asking.response().result() != http::status::ok) {
    return absl::UnavailableError(absl::StrCat("it answers /metrics with ", asking.response().result_int()));
  }
  absl::Time date;
  std::string ignored;
  const auto said = asking.response()[http::field::date];
  const bool dated =
      absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", {said.data(), said.size()}, &date, &ignored);
  return Parse(asking.response().body(), dated ? std::optional(date) : std::nullopt);
}

std::optional<double> MetricsPage::Find(const std::string& name, const std::string& label,
                                        const std::string& value) const {
  for (const Sample& sample : samples_) {
    if (sample.name != name) continue;
    if (label.empty()) return sample.value;
    const auto found = sample.labels.find(label);
    if (found != sample.labels.end() && found->second == value) return sample.value;
  }
  return std::nullopt;
}

std::string MetricsPage::Label(const std::string& name, const std::string& label) const {
  for (const Sample& sample : samples_) {
    if (sample.name != name) continue;
    const auto found = sample.labels.find(label);
    return found == sample.labels.end() ? "" : found->second;
  }
  return "";
}

}  // namespace mind::cli

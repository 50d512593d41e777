// What a caller says of who he is, and what a file of keys holds.
#include "server/trust/gatekeeper.h"
#include "server/trust/key_table.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace mind::server;

// One key, of which the seeds know the text.
constexpr char kFile[] =
    R"({"keys": [{"key": {"id": "abcdefghij", "tenant": "acme", "scopes": ["SCOPE_READ"]},
  "secret_sha256": "Qbppa8KCKST3y6DOIRv93+ZTzrPJgSVaF3W+vxEL9C0="}]})";

Gatekeeper& Asking() {
  static auto* const book = [] {
    auto* const made = new KeyBook;
    made->SetFile(*ParseKeyTable(kFile));
    return made;
  }();
  static auto* const gatekeeper = new Gatekeeper({.keys = book,
                                                  .clock = [] { return absl::UnixEpoch(); },
                                                  .steady_clock = [] { return absl::ZeroDuration(); }});
  return *gatekeeper;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text = mind::fuzz::Text(data, size);
  // The first line is authorization, the second mind-tenant.
  const size_t line = text.find('\n');
  Credentials credentials{.authorization = text.substr(0, line)};
  if (line != std::string::npos) credentials.tenant = text.substr(line + 1);
  const absl::StatusOr<Caller> caller = Asking().Admit(credentials, "mind.v1.GenerationService/GetJob");
  if (caller.ok() && caller->tenant != "acme") std::abort();

  const absl::StatusOr<KeyTable> table = ParseKeyTable(text);
  if (!table.ok()) return 0;
  // What was read is written so that it is read again.
  const absl::StatusOr<KeyTable> again = ParseKeyTable(ToText(*table));
  if (!again.ok() || again->keys.size() != table->keys.size()) std::abort();
  return 0;
}

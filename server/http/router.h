// Which handler a request is for.
#ifndef MIND_SERVER_HTTP_ROUTER_H_
#define MIND_SERVER_HTTP_ROUTER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/http/exchange.h"

namespace mind::server {

// Filled before the server starts, then constant. Costs what the path is long, however many routes there are.
class Router {
 public:
  // What stands in the place of a pattern's {}, in order.
  using Arguments = std::vector<std::string>;
  using Handler = std::function<void(const ExchangePtr& exchange, const Arguments& arguments)>;
  // Answers for a path that is nobody's, or not by this method (then `allow` lists those that are: "GET,
  // POST").
  using Nobody = std::function<void(const ExchangePtr& exchange, const std::string& allow)>;

  // `pattern` is a path whose segments are words or "{}": "/v1/jobs/{}/events". A word goes before a "{}".
  void Add(const std::string& method, const std::string& pattern, Handler handler);
  // For paths that begin so, the longest first; "/" for all others. REQUIRES before Dispatch: one for "/".
  void SetNobody(const std::string& prefix, Nobody nobody);

  // HEAD is GET without a body, which the connection sees to. OPTIONS is answered with what is allowed.
  void Dispatch(const ExchangePtr& exchange) const;

 private:
  struct Node {
    std::map<std::string, std::unique_ptr<Node>> words;
    std::unique_ptr<Node> any;
    std::map<std::string, Handler> handlers;  // by method
  };

  static const Node* Find(const Node& node, const std::vector<std::string>& segments, size_t at,
                          Arguments& arguments);

  Node root_;
  std::map<std::string, Nobody> nobodies_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_ROUTER_H_

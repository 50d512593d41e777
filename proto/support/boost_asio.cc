// Boost.Asio and Boost.Beast, but for their templates: compiled once, here, instead of in each source that
// uses them (BOOST_ASIO_SEPARATE_COMPILATION, BOOST_BEAST_SEPARATE_COMPILATION, which mind_asio defines).
#include <boost/asio/impl/src.hpp>
#include <boost/asio/ssl/impl/src.hpp>
#include <boost/beast/src.hpp>

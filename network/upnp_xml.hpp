// As much XML as UPnP control needs: a SOAP call is taken apart, and text is made fit to be printed into a document.
//
// What is read comes from guests, so the reader is strict and small: elements, attributes (skipped), text with the five
// named references and numeric ones, comments, one declaration at the beginning. Anything that a call has no use for
// ends it: document types, and with them entities to be expanded or fetched, CDATA, processing instructions, text
// between elements, arguments with elements inside, an argument that is there twice.
//
// Not supported: encodings other than UTF-8; namespaces beyond being cut off from names, because the SOAPAction field
// says which service is meant.
//
// Limits: kMaxSoapSize bytes, kMaxXmlDepth elements inside each other, kMaxSoapArguments.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "packet/result.hpp"

namespace vnet::network {

struct SoapCall {
  std::string action;
  std::vector<std::pair<std::string, std::string>> arguments;  ///< in the order in which they came

  /// Null: there is none of that name.
  [[nodiscard]] const std::string* find(std::string_view name) const;
};

inline constexpr std::size_t kMaxSoapSize = 16 * 1024;
inline constexpr std::size_t kMaxXmlDepth = 8;
inline constexpr std::size_t kMaxSoapArguments = 32;

/// Envelope, Body, and one element with arguments in it; a Header is skipped.
[[nodiscard]] Result<SoapCall> parse_soap(std::string_view text);

/// As element content or attribute value. What no document may have, control characters and bytes that are not UTF-8,
/// becomes a question mark.
[[nodiscard]] std::string xml_escape(std::string_view text);

}  // namespace vnet::network

// Elements in one line.
// @ts-check

/**
 * @param {string} tag
 * @param {Record<string, any>} [properties] of the element; `data` holds data attributes
 * @param {(Node | string)[]} [children]
 * @returns {any}
 */
export function element(tag, properties = {}, children = []) {
  const made = document.createElement(tag);
  const {data, ...rest} = properties;
  Object.assign(made, rest);
  Object.assign(made.dataset, data ?? {});
  made.append(...children);
  return made;
}

/** @param {string} id @returns {any} */
export const byId = id => document.getElementById(id);

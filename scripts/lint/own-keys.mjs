import { ESLintUtils } from "@typescript-eslint/utils";
import ts from "typescript";

/**
 * Forbids `object[name]` and `name in object` where the name is any text. A column called `constructor` would
 * find Object.prototype.constructor, and `__proto__` would replace the prototype. Literal names, unions of
 * literals, arrays and symbols are allowed.
 */
export const ownKeys = ESLintUtils.RuleCreator.withoutDocs({
  meta: {
    type: "problem",
    schema: [],
    messages: { index: "A name from data must not index an object: use a Map, or `ownOf` and `hasOwn` of lib/own.ts." },
  },
  defaultOptions: [],
  create(context) {
    const services = ESLintUtils.getParserServices(context);
    const isText = (node) => {
      const type = services.getTypeAtLocation(node);
      return (type.isUnion() ? type.types : [type]).some(
        ({ flags }) => flags & (ts.TypeFlags.String | ts.TypeFlags.Any),
      );
    };
    return {
      MemberExpression(node) {
        if (node.computed && isText(node.property)) context.report({ node, messageId: "index" });
      },
      BinaryExpression(node) {
        if (node.operator === "in" && node.left.type !== "Literal" && node.left.type !== "PrivateIdentifier") {
          context.report({ node, messageId: "index" });
        }
      },
    };
  },
});

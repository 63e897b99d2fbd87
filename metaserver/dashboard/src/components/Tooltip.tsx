// A short explanation on hover and on focus. The child must be focusable.

import type { DOMAttributes, ReactElement, ReactNode } from "react";
import { Focusable } from "react-aria-components/Focusable";
import { OverlayArrow, Tooltip as Bubble, TooltipTrigger } from "react-aria-components/Tooltip";

export function Tooltip({ text, children }: { text: ReactNode; children: ReactElement<DOMAttributes<Element>, string> }) {
  return (
    <TooltipTrigger delay={350} closeDelay={60}>
      <Focusable>{children}</Focusable>
      <Bubble className="tooltip" offset={7}>
        <OverlayArrow>
          <svg width={8} height={8} viewBox="0 0 8 8" className="tooltip-arrow" aria-hidden="true">
            <path d="M0 0 4 4 8 0" />
          </svg>
        </OverlayArrow>
        {text}
      </Bubble>
    </TooltipTrigger>
  );
}

/** A word with an explanation: dotted underline, reachable by keyboard. */
export function Explained({ text, children }: { text: ReactNode; children: ReactNode }) {
  return (
    <Tooltip text={text}>
      <span className="explained" tabIndex={0} role="note">
        {children}
      </span>
    </Tooltip>
  );
}
